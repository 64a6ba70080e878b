"""`python -m tools.bill_of_materials`: the CycloneDX bill of materials of each lock that the product is installed from.

What a package is licensed under and what it needs comes from its own metadata, which pip reads without installing anything.
"""

import json
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import click
from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import License
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from cyclonedx.spdx import is_expression as is_spdx_expression
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools.locked import BILLS, ROOT, Pin, environment, read_lock, read_requirements

PLATFORMS = [*(f"manylinux_2_{minor}_x86_64" for minor in range(40, 4, -1)), *(f"manylinux{year}_x86_64" for year in (2014, 2010, 1))]
"""The platforms of wheels for Linux with glibc, x86-64, that pip is told to take."""
SCHEMA = SchemaVersion.V1_6


@click.command()
def main() -> None:
    """Write every bill of `BILLS`.

    Raises:
        click.ClickException: a bill does not fit CycloneDX's schema.
    """
    for lock, name in BILLS.items():
        text = bill_of(lock, read_lock(ROOT / lock))
        fault = JsonStrictValidator(SCHEMA).validate_str(text)
        if fault is not None:
            raise click.ClickException(f"{name} does not fit the schema: {fault}")
        (ROOT / name).write_text(text)
        click.echo(f"{name}: {text.count('purl')} components, {text.count('licenses')} with a licence")


def bill_of(lock: str, pins: list[Pin]) -> str:
    """The bill of a lock's pins as JSON; the same pins and metadata give the same text."""
    described = {(pin.name, pin.version): metadata for python, own in by_python(pins).items() for pin, metadata in metadata_of(own, python)}
    components = {pin: component_of(pin, described[pin.name, pin.version]) for pin in pins}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    product = Component(name=project["name"], version=project["version"], type=ComponentType.APPLICATION, bom_ref=project["name"])
    serial = uuid5(NAMESPACE_OID, (ROOT / lock).read_text())
    bom = Bom(components=components.values(), serial_number=serial, metadata=BomMetaData(component=product))
    edges = needed_by(pins, described)
    direct = {canonicalize_name(requirement.name) for requirement in read_requirements(ROOT / "requirements.txt")}
    bom.register_dependency(product, [component for pin, component in components.items() if pin.name in direct])
    for pin, component in components.items():
        bom.register_dependency(component, [components[other] for other in edges[pin]])
    document = json.loads(make_outputter(bom, OutputFormat.JSON, SCHEMA).output_as_string())
    del document["metadata"]["timestamp"]  # the same lock gives the same file
    return json.dumps(document, indent=1, sort_keys=True) + "\n"


def by_python(pins: list[Pin]) -> dict[str, list[Pin]]:
    """The pins by the first version of CPython that installs them."""
    first: dict[str, list[Pin]] = {}
    for pin in pins:
        first.setdefault(pin.pythons[0], []).append(pin)
    return first


def metadata_of(pins: list[Pin], python: str) -> list[tuple[Pin, Mapping[str, Any]]]:
    """Each pin with the metadata of its wheel for this CPython (PEP 566's keys), as pip would install it.

    Raises:
        click.ClickException: pip does not find a wheel.
    """
    with TemporaryDirectory() as folder:
        wanted, report = Path(folder) / "wanted.txt", Path(folder) / "report.json"
        wanted.write_text("".join(f"{pin.name}==={pin.version}\n" for pin in pins))  # "==2.13.0" would take 2.13.0+cpu too
        command = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--dry-run",
            "--no-deps",
            "--ignore-installed",
            "--quiet",
            "--only-binary",
            ":all:",
        ]
        command += ["--only-binary", ":all:", "--python-version", python, "--target", folder]
        command += ["--report", str(report), "--requirement", str(wanted)]
        command += [option for platform in PLATFORMS for option in ("--platform", platform)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise click.ClickException(f"pip could not read the packages' metadata:\n{done.stderr.strip()}")
        found = [item["metadata"] for item in json.loads(report.read_text())["install"]]
    described = {(canonicalize_name(metadata["name"]), metadata["version"]): metadata for metadata in found}
    return [(pin, described[pin.name, pin.version]) for pin in pins]


def component_of(pin: Pin, metadata: Mapping[str, Any]) -> Component:
    """One package: its version, licence, and the hashes of the wheels that the lock takes."""
    purl = PackageURL("pypi", None, pin.name, pin.version)
    hashes = [HashType(alg=HashAlgorithm.SHA_256, content=digest) for digest in pin.hashes]
    return Component(
        name=pin.name,
        version=pin.version,
        bom_ref=str(purl),
        purl=purl,
        licenses=licences_of(metadata),
        external_references=[ExternalReference(type=ExternalReferenceType.DISTRIBUTION, url=XsUri(str(purl)), hashes=hashes)],
        properties=[Property(name="dpmed:python", value=python) for python in pin.pythons],
    )


def licences_of(metadata: Mapping[str, Any]) -> list[License]:
    """What the metadata say: the SPDX expression, else a short licence field, else the classifiers; none where they say nothing."""
    make = LicenseFactory()
    expression, field = (str(metadata.get(key) or "").strip() for key in ("license_expression", "license"))
    if expression:
        return [make.make_with_expression(expression) if is_spdx_expression(expression) else make.make_with_name(expression)]
    if field and "\n" not in field and len(field) <= 80 and field.upper() != "UNKNOWN":
        return [make.make_from_string(field)]
    classified = [line.rsplit(" :: ", 1)[-1] for line in metadata.get("classifier", []) if line.startswith("License :: ")]
    return [make.make_with_name(name) for name in classified]


def needed_by(pins: list[Pin], described: Mapping[tuple[str, str], Mapping[str, Any]]) -> dict[Pin, list[Pin]]:
    """For each pin those that it needs on a version of CPython that installs it, with the extras that others ask of it."""
    edges: dict[Pin, list[Pin]] = {pin: [] for pin in pins}
    for python in {python for pin in pins for python in pin.pythons}:
        present = {pin.name: pin for pin in pins if python in pin.pythons}
        extras: dict[str, set[str]] = {name: {""} for name in present}
        waiting = list(present)
        while waiting:
            pin = present[waiting.pop()]
            for line in described[pin.name, pin.version].get("requires_dist", []):
                requirement = Requirement(line)
                other = present.get(canonicalize_name(requirement.name))
                if other is None or not applies(requirement, python, extras[pin.name]):
                    continue
                edges[pin] = sorted({*edges[pin], other}, key=lambda each: (each.name, each.version))
                if requirement.extras - extras[other.name]:
                    extras[other.name] |= requirement.extras
                    waiting.append(other.name)
    return edges


def applies(requirement: Requirement, python: str, extras: set[str]) -> bool:
    """Whether a requirement counts for this CPython on Linux with any of these extras ("" = none)."""
    marker = requirement.marker
    return marker is None or any(marker.evaluate(environment(python) | {"extra": extra}) for extra in extras)


if __name__ == "__main__":
    main()
