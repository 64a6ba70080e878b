"""`python -m benchmarks NAME [--json]`: measure against named peers, in one run on one machine; `all` runs everything."""

import json
import os
import platform
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import click
import pandas as pd

MODULES = {
    "accounting": "accounting",
    "address-walk": "address_walk",
    "audit": "audit",
    "auroc": "auroc",
    "cases": "cases",
    "cold-pages": "cold_pages",
    "contributions": "contributions",
    "device": "device",
    "drag": "drag",
    "encoders": "encoders",
    "exposure": "exposure",
    "faults": "faults",
    "guards": "guards",
    "import": "importing",
    "import-kills": "import_kills",
    "kills": "kills",
    "manifest": "manifest",
    "many-runs": "many_runs",
    "ledger": "ledger_total",
    "page": "page",
    "phantom-start": "phantom_start",
    "planner": "planner",
    "pointing": "pointing",
    "polarity": "polarity",
    "probe": "probe",
    "process-kills": "process_kills",
    "reader-coverage": "reader_coverage",
    "inference": "inference",
    "recipes": "recipes",
    "returning": "returning",
    "review-sessions": "review_sessions",
    "review-writers": "review_writers",
    "scale": "scale",
    "step": "step",
    "step-audit": "step_audit",
    "stored-sides": "stored_sides",
}
"""Name of a benchmark, and the module in this folder whose `rows()` measures it."""

TAKE_NUMBER = ("address-walk", "reader-coverage", "review-sessions")


@click.command()
@click.argument("name", type=click.Choice(["all", *MODULES]))
@click.argument("number", type=click.IntRange(min=1), required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout and nothing else there.")
@click.option("--out", type=click.Path(path_type=Path), help="Of `device`: the file, or the folder for a file named after device and day.")
@click.option("--quick", is_flag=True, help="Of `device`: smallest shapes, to see that everything runs.")
def main(name: str, number: int | None, as_json: bool, out: Path | None, quick: bool) -> None:
    """Measure NAME against its peers; NUMBER is how many acts `address-walk` walks, how many studies `reader-coverage` draws, or how many
    people write in `review-sessions`."""
    if name != "device" and (out or quick):
        raise click.UsageError("--out and --quick are options of `device`.")
    if name not in TAKE_NUMBER and number:
        raise click.UsageError(f"Only {', '.join(TAKE_NUMBER)} take a number.")
    if name == "device":
        _measure_device(as_json, out, quick)
        return
    for known, module in MODULES.items():
        if name in ("all", known):
            rows = import_module(f"benchmarks.{module}").rows(*([number] if number else []))
            click.echo(json.dumps({"machine": machine(), "rows": rows}, indent=1) if as_json else f"{known}\n{_readable(rows)}\n")


def _measure_device(as_json: bool, out: Path | None, quick: bool) -> None:
    """Measure the device, store the document where `out` says, and print it, or its rows part by part."""
    from benchmarks.device import PARTS, document, file_name

    measured = {"machine": machine(), **document(quick=quick)}
    text = json.dumps(measured, indent=1) + "\n"
    if out is not None:
        path = out / file_name(measured) if out.is_dir() else out
        path.write_text(text, encoding="utf-8")
    if as_json:
        click.echo(text, nl=False)
        return
    rows: list[dict[str, object]] = measured["rows"]  # type: ignore[assignment]
    for part in PARTS:
        click.echo(f"{part}\n{_readable([row for row in rows if row['part'] == part and 'part_seconds' not in row])}\n")
    for row in rows:
        if "part_seconds" in row:
            click.echo(f"{row['part']}: {row['part_seconds']} seconds")
    click.echo(f"{measured['device']}: {measured['seconds']} seconds, {measured['failed']} rows that do not hold")


def _readable(rows: list[dict[str, object]]) -> str:
    return pd.DataFrame(rows).drop(columns="part", errors="ignore").dropna(axis="columns", how="all").to_string(index=False, na_rep="")


def machine() -> dict[str, object]:
    """What the figures were measured on."""
    libraries = {name: _version(name) for name in ("torch", "opacus", "numpy", "scikit-learn")}
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        **libraries,
    }


def _version(name: str) -> str | None:
    """The version of a package; None where a machine does without it."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123 (not a file of ours)
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


main()
