"""`python -m tools.lock`: resolve the requirements anew by uv, and write the lock files.

uv looks where pip is told to look by its environment variables (`PIP_FIND_LINKS`, `PIP_INDEX_URL`, ...); uv's own variables come first.
"""

import os
import subprocess
import sys
import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote

import click

from tools.locked import CPU_ONLY, LOCKS, PYTHONS, ROOT, Pin, fits, pythons_of, read_requirements, write_lock

AS_PIP = {
    "PIP_FIND_LINKS": "UV_FIND_LINKS",
    "PIP_INDEX_URL": "UV_DEFAULT_INDEX",
    "PIP_EXTRA_INDEX_URL": "UV_INDEX",
    "PIP_CERT": "SSL_CERT_FILE",
}


@click.command()
def main() -> None:
    """Write every lock of `LOCKS`."""
    for name, source in LOCKS.items():
        packages = resolved(name, source)
        pythons = pythons_with_wheels(packages)
        pins = pins_of(packages, pythons)
        write_lock(ROOT / name, pins, pythons, source)
        torch = next(pin for pin in pins if pin.name == "torch")
        click.echo(f"{name}: {len(pins)} pins for CPython {' and '.join(pythons)}, torch {torch.version}")


def resolved(name: str, source: str) -> list[dict[str, Any]]:
    """The packages that uv resolves for a lock: PEP 751's `packages`, for every platform.

    Raises:
        click.ClickException: uv found no answer; its words stand in the error.
    """
    with TemporaryDirectory() as folder:
        answer, override = Path(folder) / "pylock.toml", Path(folder) / "override.txt"
        override.write_text(build_of_torch(cpu=name in CPU_ONLY))
        command = ["uv", "pip", "compile", source, "--universal", "--python-version", PYTHONS[0], "--prerelease", "disallow", "--no-header"]
        command += ["--override", str(override), "--format", "pylock.toml", "--output-file", str(answer), "--quiet"]
        done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, env=variables(), capture_output=True, text=True, check=False)
        if done.returncode:
            raise click.ClickException(f"uv could not resolve {source} for {name}:\n{done.stderr.strip()}")
        packages: list[dict[str, Any]] = tomllib.loads(answer.read_text())["packages"]
    return packages


def build_of_torch(cpu: bool) -> str:
    """The requirement by which a lock takes one build of the pinned PyTorch: without CUDA its version ends in "+cpu"."""
    pinned = next(requirement for requirement in read_requirements(ROOT / "requirements.txt") if requirement.name == "torch")
    return f"torch{pinned.specifier}+cpu\n" if cpu else f"torch{pinned.specifier},!{str(pinned.specifier).removeprefix('=')}+cpu\n"


def variables() -> dict[str, str]:
    """This process's environment, with pip's places to look as uv's."""
    return {uv: os.environ[pip] for pip, uv in AS_PIP.items() if pip in os.environ} | os.environ


def pythons_with_wheels(packages: list[dict[str, Any]]) -> tuple[str, ...]:
    """Those of `PYTHONS` for which every package that they need has a wheel.

    Raises:
        click.ClickException: there is none.
    """
    lacking = {
        python: [package["name"] for package in packages if needs(package, python) and not wheels(package, python)] for python in PYTHONS
    }
    held = tuple(python for python, names in lacking.items() if not names)
    if not held:
        raise click.ClickException(f"No wheels for Linux on x86-64: {lacking}")
    return held


def pins_of(packages: list[dict[str, Any]], pythons: tuple[str, ...]) -> list[Pin]:
    """The pins that these versions of CPython need among resolved packages, each with the hashes of the wheels that fit one of them."""
    pins = []
    for package in packages:
        needed = tuple(python for python in pythons if needs(package, python))
        if needed:
            hashes = set().union(*(wheels(package, python) for python in needed))
            pins.append(Pin(package["name"], package["version"], needed, tuple(sorted(hashes))))
    return pins


def needs(package: dict[str, Any], python: str) -> bool:
    """Whether this CPython on Linux needs a resolved package."""
    return python in pythons_of(package.get("marker"))


def wheels(package: dict[str, Any], python: str) -> set[str]:
    """SHA-256 of each wheel of a package that fits this CPython on Linux, x86-64."""
    return {wheel["hashes"]["sha256"] for wheel in package.get("wheels", []) if fits(file_name(wheel), python)}


def file_name(wheel: dict[str, Any]) -> str:
    """The name of a wheel's file, which PEP 751 leaves out where its address or path ends in it."""
    return str(wheel.get("name") or unquote(str(wheel.get("url") or wheel["path"])).rsplit("/", 1)[-1])


if __name__ == "__main__":
    main()
