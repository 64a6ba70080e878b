"""`python -m tools.wheels`: the wheels that `python -m benchmarks device` needs on a machine with PyTorch and NumPy and without a network.

What is needed is found by import: the packages whose modules are loaded once every part of the measurement is. Of them those that such a
machine has are left out: PyTorch with all that it requires, NumPy, and what `--present` names. Versions and hashes are those of the lock.
Each wheel is checked against its hash and then packed again, smaller: without tests, headers and sources, without parts of pyarrow for
services that are not reached, and by LZMA, which pip reads wherever Python was built with it.
"""

import csv
import io
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools.locked import ROOT, Pin, environment, read_lock

PYTHON = "3.12"
LARGEST_MEBIBYTES = 60
THERE = ("torch", "numpy")
"""What every such machine has, with all that it requires."""
LOADS = (
    "click",
    "benchmarks.device",
    *(f"benchmarks.device_parts.{path.stem}" for path in sorted((ROOT / "benchmarks" / "device_parts").glob("[a-z]*.py"))),
    "dpmed_core.training.train",
    "dpmed_core.engine.training_task",
    "pyarrow.parquet",
)
"""What its command line imports, the modules of the measurement, those that are imported late, and the one that pandas stores tables by."""
LOADED = """
import sys
from importlib import import_module
from importlib.metadata import packages_distributions
for name in sys.argv[1:]:
    import_module(name)
owners = packages_distributions()
print(*sorted({owner for name in {module.partition(".")[0] for module in sys.modules} for owner in owners.get(name, [])}))
"""
LEFT_OUT = re.compile(
    r"^(benchmarks|examples)/|(^|/)(tests?|include|includes|src)/|\.(pxd|pxi|pyx|pyi|h|hpp|c|cpp)$"
    r"|^pyarrow/(lib)?_?(arrow_)?(flight|s3|s3fs|gcsfs|azurefs|hdfs|orc|dataset_orc|pyarrow_cpp_tests)\b"
    r"|^pyarrow/.*encryption|^pyarrow/libarrow_python\.so(\.\d+\.\d+\.\d+)?$"
    r"|^sqlalchemy/.*_cy\.[^/]*\.so$|^scipy/stats/_sobol_direction_numbers\.npz$"
)
"""Files that nothing here reads, and folders of a package that would hide others of their name. Of three copies of pyarrow's library for
Python the one stays that the others are linked to by name; SQLAlchemy's compiled modules have their Python beside them."""


@click.command()
@click.option("--out", default="wheels", show_default=True, type=click.Path(path_type=Path), help="Folder for the wheels.")
@click.option("--python", "python", default=PYTHON, show_default=True, help="CPython of the machine, 3.11 or 3.12.")
@click.option("--present", default="", help="Further packages that the machine has, comma-separated.")
def main(out: Path, python: str, present: str) -> None:
    """Collect the wheels, and say how many files and mebibytes they are."""
    names = missing(loaded_packages(), [name for name in present.split(",") if name], python)
    pins = [pin for pin in read_lock(ROOT / "requirements-cuda.lock") if pin.name in names and python in pin.pythons]
    if unknown := names - {pin.name for pin in pins}:
        raise click.ClickException(f"{', '.join(sorted(unknown))}: imported, and not in the lock.")
    out.mkdir(parents=True, exist_ok=True)
    for old in out.glob("*.whl"):
        old.unlink()
    with TemporaryDirectory() as folder:
        download(pins, python, Path(folder))
        for wheel in sorted(Path(folder).glob("*.whl")):
            repacked(wheel, out / wheel.name)
    found = sorted(out.glob("*.whl"), key=lambda path: -path.stat().st_size)
    total = sum(path.stat().st_size for path in found) / 2**20
    for path in found:
        click.echo(f"{path.stat().st_size / 2**20:7.2f} MiB  {path.name}")
    click.echo(f"{len(found)} wheels for CPython {python}, {total:.1f} MiB together")
    if total > LARGEST_MEBIBYTES:
        raise click.ClickException(f"more than {LARGEST_MEBIBYTES} MiB: name by --present what the machine has")


def loaded_packages() -> set[str]:
    """The packages that are loaded with `LOADS`, by their normalised names."""
    command = [sys.executable, "-c", LOADED, *LOADS]
    printed = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True).stdout
    return {str(canonicalize_name(name)) for name in printed.split()}


def missing(loaded: Iterable[str], present: Iterable[str], python: str) -> set[str]:
    """Those of the `loaded` packages that a machine with `THERE` and the `present` ones lacks.

    >>> sorted(missing({"numpy", "scipy", "filelock", "opacus"}, ["scipy"], "3.12"))
    ['opacus']
    """
    there: set[str] = set()
    waiting = [*THERE, *present]
    while waiting:
        name = str(canonicalize_name(waiting.pop()))
        if name not in there:
            there.add(name)
            waiting += _required(name, python)
    return set(loaded) - there


def _required(name: str, python: str) -> list[str]:
    """What a package that is installed here requires, without its extras."""
    try:
        lines = requires(name) or []
    except PackageNotFoundError:
        return []
    needed = [Requirement(line) for line in lines]
    return [each.name for each in needed if each.marker is None or each.marker.evaluate(environment(python))]


def download(pins: list[Pin], python: str, folder: Path) -> None:
    """Download the pinned wheels for Linux with glibc, x86-64; pip compares each with the hashes of its pin.

    Raises:
        click.ClickException: pip found no wheel, or another one.
    """
    wanted = folder / "wanted.txt"
    wanted.write_text("\n".join(" ".join([f"{p.name}=={p.version}", *(f"--hash=sha256:{h}" for h in p.hashes)]) for p in pins) + "\n")
    platforms = [*(f"manylinux_2_{minor}_x86_64" for minor in range(39, 4, -1)), "manylinux2014_x86_64", "manylinux1_x86_64"]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:"]
    command += ["--python-version", python, "--implementation", "cp", "--dest", str(folder), "--requirement", str(wanted)]
    done = subprocess.run([*command, *(f"--platform={each}" for each in platforms)], capture_output=True, text=True, check=False)
    wanted.unlink()
    if done.returncode:
        raise click.ClickException(f"pip could not download the wheels: {done.stderr.strip().splitlines()[-1]}")


def repacked(wheel: Path, smaller: Path) -> None:
    """Write `wheel` as `smaller`, without what `LEFT_OUT` matches; its RECORD lists what is left."""
    with zipfile.ZipFile(wheel) as given, zipfile.ZipFile(smaller, "w", zipfile.ZIP_LZMA) as made:
        for info in given.infolist():
            if LEFT_OUT.search(info.filename):
                continue
            content = given.read(info)
            if info.filename.endswith(".dist-info/RECORD"):
                content = _record(content)
            entry = zipfile.ZipInfo(info.filename, info.date_time)
            entry.external_attr, entry.compress_type = info.external_attr, zipfile.ZIP_LZMA
            made.writestr(entry, content)


def _record(content: bytes) -> bytes:
    """A RECORD without the files that are left out."""
    kept = io.StringIO()
    csv.writer(kept, lineterminator="\n").writerows(
        row for row in csv.reader(io.StringIO(content.decode())) if row and not LEFT_OUT.search(row[0])
    )
    return kept.getvalue().encode()


if __name__ == "__main__":
    main()
