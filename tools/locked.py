"""Lock files: one version of every package, with the hashes of its wheels for Linux on x86-64."""

import re
from dataclasses import dataclass
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import canonicalize_name, parse_wheel_filename

ROOT = Path(__file__).resolve().parents[1]
PYTHONS = ("3.11", "3.12")
"""The versions of CPython that are locked for, where every package has a wheel."""
LOCKS = {
    "requirements-cpu.lock": "requirements.txt",
    "requirements-cuda.lock": "requirements.txt",
    "requirements-dev.lock": "requirements-dev.txt",
}
"""Name of a lock, and the file whose requirements it locks."""
CPU_ONLY = ("requirements-cpu.lock", "requirements-dev.lock")
"""The locks that take the build of PyTorch without CUDA."""
BILLS = {
    "requirements-cpu.lock": "docs/bill-of-materials-cpu.cdx.json",
    "requirements-cuda.lock": "docs/bill-of-materials-cuda.cdx.json",
}
"""The locks that the product is installed from, and the bill of each."""
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True)
class Pin:
    """One version of one package, where it applies."""

    name: str
    """In the form that PEP 503 calls normalized."""
    version: str
    pythons: tuple[str, ...]
    """The versions of CPython that install it."""
    hashes: tuple[str, ...]
    """SHA-256 of each wheel that fits, hexadecimal, sorted."""


def environment(python: str) -> dict[str, str]:
    """The values that markers are evaluated with: CPython `python` ("3.11") on Linux, x86-64."""
    return {
        "implementation_name": "cpython",
        "implementation_version": f"{python}.0",
        "os_name": "posix",
        "platform_machine": "x86_64",
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": f"{python}.0",
        "python_version": python,
        "sys_platform": "linux",
        "extra": "",
    }


def pythons_of(marker: str | None) -> tuple[str, ...]:
    """Those of `PYTHONS` for which a marker is true; all where there is none."""
    return tuple(python for python in PYTHONS if marker is None or Marker(marker).evaluate(environment(python)))


def fits(wheel: str, python: str) -> bool:
    """Whether CPython `python` on Linux with glibc, x86-64, can install the wheel of this file name."""
    major, minor = map(int, python.split("."))
    platforms = ["any", "linux"]
    known = {*cpython_tags((major, minor), platforms=platforms), *compatible_tags((major, minor), f"cp{major}{minor}", platforms)}
    _, _, _, tags = parse_wheel_filename(wheel)
    return any(Tag(tag.interpreter, tag.abi, platform_kind(tag.platform)) in known for tag in tags)


def platform_kind(platform: str) -> str:
    """A wheel's platform tag, with all of Linux on x86-64 with glibc as "linux"."""
    return "linux" if re.fullmatch(r"(manylinux\w*|linux)_x86_64", platform) else platform


def write_lock(path: Path, pins: list[Pin], pythons: tuple[str, ...], source: str) -> None:
    """Write pins, sorted by name, as pip reads them; wheels alone, so that installing runs no code of a package."""
    lines = [
        f"# Made by `make lock` from {source}; change that file, not this one.",
        f"# For CPython {' and '.join(pythons)} on Linux with glibc, x86-64. Install: pip install --require-hashes -r {path.name}",
        "--only-binary :all:",
    ]
    for pin in sorted(pins, key=lambda pin: (pin.name, pin.version)):
        marker = "" if pin.pythons == pythons else " ; " + " or ".join(f'python_version == "{python}"' for python in pin.pythons)
        lines.append(" \\\n".join([f"{pin.name}=={pin.version}{marker}", *(f"    --hash=sha256:{digest}" for digest in pin.hashes)]))
    path.write_text("\n".join(lines) + "\n")


def pythons_locked(path: Path) -> tuple[str, ...]:
    """The versions of CPython that a lock says it is for; others find a package without a hash and install nothing."""
    return tuple(re.findall(r"\d\.\d+", path.read_text().splitlines()[1].partition(" on ")[0]))


def read_lock(path: Path) -> list[Pin]:
    """The pins of a lock, in its order.

    Raises:
        ValueError: a line that is neither a comment, an option nor one pinned version.
    """
    pins, locked = [], pythons_locked(path)
    for line in path.read_text().replace("\\\n", " ").splitlines():
        if not line.strip() or line.startswith(("#", "--")):
            continue
        requirement = Requirement(HASH.sub("", line).strip())
        pinned = re.fullmatch(r"==([^*,]+)", str(requirement.specifier))
        if pinned is None:
            raise ValueError(f"{path.name}: {requirement} is not pinned to one version")
        marker = None if requirement.marker is None else str(requirement.marker)
        pythons = tuple(python for python in pythons_of(marker) if python in locked)
        pins.append(Pin(canonicalize_name(requirement.name), pinned[1], pythons, tuple(HASH.findall(line))))
    return pins


def read_requirements(path: Path) -> list[Requirement]:
    """The requirements of a file, with those of the files that it names by -r."""
    found = []
    for line in path.read_text().splitlines():
        if line.startswith("-r "):
            found += read_requirements(path.parent / line.removeprefix("-r ").strip())
        elif line.strip() and not line.startswith("#"):
            found.append(Requirement(line))
    return found
