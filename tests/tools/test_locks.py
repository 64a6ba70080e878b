"""The locks hold what the requirements ask for and nothing that is not pinned by hash; the bills of materials list the same."""

import json
import re
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools.locked import (
    BILLS,
    CPU_ONLY,
    LOCKS,
    PYTHONS,
    ROOT,
    Pin,
    environment,
    fits,
    pythons_locked,
    read_lock,
    read_requirements,
    write_lock,
)


@pytest.mark.parametrize(("lock", "source"), LOCKS.items())
def test_every_requirement_is_met_by_the_one_version_that_is_pinned(lock: str, source: str) -> None:
    pins = read_lock(ROOT / lock)
    for python in pythons_locked(ROOT / lock):
        pinned = versions(pins, python)
        for requirement in read_requirements(ROOT / source):
            if requirement.marker is None or requirement.marker.evaluate(environment(python)):
                assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)], prereleases=True), requirement


@pytest.mark.parametrize("lock", LOCKS)
def test_everything_is_pinned_by_hash_and_installed_from_wheels(lock: str) -> None:
    pins = read_lock(ROOT / lock)
    assert [pin.name for pin in pins if not pin.hashes] == []
    assert len({digest for pin in pins for digest in pin.hashes}) == sum(len(pin.hashes) for pin in pins), "no file stands twice"
    lines = (ROOT / lock).read_text().splitlines()
    assert [line for line in lines if line.startswith("-")] == ["--only-binary :all:"]


@pytest.mark.parametrize("lock", LOCKS)
def test_no_version_is_pinned_twice_for_one_python(lock: str) -> None:
    pins = read_lock(ROOT / lock)
    assert pythons_locked(ROOT / lock)
    assert set(pythons_locked(ROOT / lock)) <= set(PYTHONS)
    for python in pythons_locked(ROOT / lock):
        versions(pins, python)


@pytest.mark.parametrize("lock", LOCKS)
def test_what_pinned_packages_need_is_pinned(lock: str) -> None:
    """By the metadata of the packages that are installed here in the version of the lock."""
    python = pythons_locked(ROOT / lock)[0]
    pinned = versions(read_lock(ROOT / lock), python)
    known = [name for name, locked in pinned.items() if installed(name) == locked]
    if len(known) < len(pinned) / 2:
        pytest.skip("this environment was not installed from the lock")
    for name in known:
        for line in distribution(name).requires or []:
            needed = Requirement(line)
            if needed.marker is None or needed.marker.evaluate(environment(python)):
                assert needed.specifier.contains(pinned[canonicalize_name(needed.name)], prereleases=True), f"{name} needs {needed}"


def test_the_locks_take_the_build_of_pytorch_that_their_name_says() -> None:
    builds = {lock: {pin.version for pin in read_lock(ROOT / lock) if pin.name == "torch"} for lock in LOCKS}
    assert all(len(found) == 1 for found in builds.values())
    assert {lock for lock, (found,) in builds.items() if found.endswith("+cpu")} == set(CPU_ONLY)
    cuda = {pin.name for pin in read_lock(ROOT / "requirements-cuda.lock")}
    assert any(name.startswith("nvidia-") for name in cuda)
    assert not any(pin.name.startswith("nvidia-") for lock in CPU_ONLY for pin in read_lock(ROOT / lock))


def test_product_and_tests_are_locked_to_the_same_versions() -> None:
    product, tests = (read_lock(ROOT / lock) for lock in ("requirements-cpu.lock", "requirements-dev.lock"))
    assert set(product) <= set(tests)


@pytest.mark.parametrize("lock", BILLS)
def test_a_bill_of_materials_lists_the_lock(lock: str) -> None:
    bill = json.loads((ROOT / BILLS[lock]).read_text())
    listed = {(part["name"], part["version"]): part for part in bill["components"]}
    pins = {(pin.name, pin.version): pin for pin in read_lock(ROOT / lock)}
    assert set(listed) == set(pins)
    assert len(bill["components"]) == len(pins)
    for key, pin in pins.items():
        (files,) = listed[key]["externalReferences"]
        assert sorted(each["content"] for each in files["hashes"]) == list(pin.hashes)
        assert listed[key]["purl"] == f"pkg:pypi/{pin.name}@{pin.version.replace('+', '%2B')}"
        assert [each["value"] for each in listed[key]["properties"]] == list(pin.pythons)


@pytest.mark.parametrize("lock", BILLS)
def test_every_part_of_a_bill_is_reached_from_the_product(lock: str) -> None:
    bill = json.loads((ROOT / BILLS[lock]).read_text())
    needs = {each["ref"]: each.get("dependsOn", []) for each in bill["dependencies"]}
    reached, waiting = set(), [bill["metadata"]["component"]["bom-ref"]]
    while waiting:
        ref = waiting.pop()
        if ref not in reached:
            reached.add(ref)
            waiting += needs[ref]
    assert {part["bom-ref"] for part in bill["components"]} == reached - {bill["metadata"]["component"]["bom-ref"]}


@pytest.mark.parametrize("lock", BILLS)
def test_bills_name_the_licence_that_installed_metadata_state(lock: str) -> None:
    for part in json.loads((ROOT / BILLS[lock]).read_text())["components"]:
        if installed(part["name"]) == part["version"] and (stated := distribution(part["name"]).metadata.get("License-Expression")):
            (licence,) = part["licenses"]
            assert stated in (licence.get("expression"), *licence.get("license", {}).values())


@pytest.mark.parametrize("name", [*LOCKS, *BILLS.values()])
def test_locks_and_bills_hold_no_address_of_an_index_and_no_path(name: str) -> None:
    text = (ROOT / name).read_text().replace("http://cyclonedx.org/schema/", "")
    assert re.findall(r"\w+://|file:|(?<![\w.-])/\w+/", text) == []


@pytest.mark.parametrize(
    ("wheel", "python", "expected"),
    [
        ("a-1-cp311-cp311-manylinux_2_28_x86_64.whl", "3.11", True),
        ("a-1-cp311-cp311-manylinux_2_28_x86_64.whl", "3.12", False),
        ("a-1-cp311-cp311-manylinux2014_x86_64.manylinux_2_17_x86_64.whl", "3.11", True),
        ("a-1-cp310-abi3-manylinux_2_28_x86_64.whl", "3.12", True),
        ("a-1-cp312-abi3-manylinux_2_28_x86_64.whl", "3.11", False),
        ("a-1-py3-none-any.whl", "3.12", True),
        ("a-1-py2.py3-none-any.whl", "3.11", True),
        ("a-1-py3-none-manylinux2014_x86_64.whl", "3.11", True),
        ("a-1-cp311-cp311-musllinux_1_2_x86_64.whl", "3.11", False),
        ("a-1-cp311-cp311-manylinux_2_28_aarch64.whl", "3.11", False),
        ("a-1-cp311-cp311-win_amd64.whl", "3.11", False),
        ("a-1-cp311-cp311-macosx_11_0_arm64.whl", "3.11", False),
    ],
)
def test_wheels_of_other_platforms_and_pythons_do_not_fit(wheel: str, python: str, expected: bool) -> None:
    assert fits(wheel, python) is expected


def test_a_lock_is_read_as_it_was_written(tmp_path: Path) -> None:
    pins = [Pin("a", "1", ("3.11",), ("1" * 64,)), Pin("a", "2", ("3.12",), ("2" * 64,)), Pin("b", "1+cpu", PYTHONS, ("3" * 64, "4" * 64))]
    write_lock(tmp_path / "a.lock", pins, PYTHONS, "requirements.txt")
    assert read_lock(tmp_path / "a.lock") == pins


@pytest.mark.parametrize("line", ["a>=1", "a", "a==1.*", "a==1,!=2"])
def test_a_line_that_pins_nothing_is_refused(tmp_path: Path, line: str) -> None:
    path = tmp_path / "a.lock"
    write_lock(path, [], PYTHONS, "requirements.txt")
    path.write_text(path.read_text() + f"{line} \\\n    --hash=sha256:{'0' * 64}\n")
    with pytest.raises(ValueError, match="not pinned"):
        read_lock(path)


def versions(pins: list[Pin], python: str) -> dict[str, str]:
    """The version of each package on one Python; a package that is pinned twice for it fails the test."""
    applying = [pin for pin in pins if python in pin.pythons]
    found = {pin.name: pin.version for pin in applying}
    assert len(found) == len(applying)
    return found


def installed(name: str) -> str | None:
    """The version of a package that is installed here."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None
