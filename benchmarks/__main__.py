"""`python -m benchmarks NAME [--json]`: measure against named peers, in one run on one machine; `all` runs everything."""

import json
import os
import platform
from importlib import import_module
from importlib.metadata import version

import click
import pandas as pd

MODULES = {
    "accounting": "accounting",
    "audit": "audit",
    "auroc": "auroc",
    "cases": "cases",
    "contributions": "contributions",
    "exposure": "exposure",
    "guards": "guards",
    "import": "importing",
    "import-kills": "import_kills",
    "kills": "kills",
    "manifest": "manifest",
    "many-runs": "many_runs",
    "ledger": "ledger_total",
    "page": "page",
    "planner": "planner",
    "pointing": "pointing",
    "polarity": "polarity",
    "probe": "probe",
    "inference": "inference",
    "recipes": "recipes",
    "step": "step",
}
"""Name of a benchmark, and the module in this folder whose `rows()` measures it."""


@click.command()
@click.argument("name", type=click.Choice(["all", *MODULES]))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout and nothing else there.")
def main(name: str, as_json: bool) -> None:
    """Measure NAME against its peers."""
    for known, module in MODULES.items():
        if name in ("all", known):
            rows = import_module(f"benchmarks.{module}").rows()
            readable = f"{known}\n{pd.DataFrame(rows).to_string(index=False)}\n"
            click.echo(json.dumps({"machine": machine(), "rows": rows}, indent=1) if as_json else readable)


def machine() -> dict[str, object]:
    """What the figures were measured on."""
    libraries = {name: version(name) for name in ("torch", "opacus", "numpy", "scikit-learn")}
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        **libraries,
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123 (not a file of ours)
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


main()
