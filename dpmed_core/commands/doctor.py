"""`doctor`: what is wrong with this installation, and what to do."""

from dataclasses import asdict

import click

from dpmed_core.commands.output import json_option, say
from dpmed_core.doctor.examine import examine
from dpmed_core.settings import load_settings

FAULTY = 2


@click.command()
@click.option("--repair", is_flag=True, help="Mend what is safe: modes of files, imports that cannot be read.")
@json_option
def doctor(repair: bool, as_json: bool) -> int:
    """Check data folder, key, database, ledger, cohorts, runs, imports, engine and browser; ends with 2 where something is wrong.

    Every damaged thing is named, with what to do. Reads all images once, to compare them with the cohort's fingerprint.
    """
    checks = examine(load_settings(), repair=repair)
    ok = all(check.ok for check in checks)
    lines = [f"{'ok   ' if check.ok else 'WRONG'}  {check.name}: {check.message}" + _advice(check.repair) for check in checks]
    say({"ok": ok, "checks": [asdict(check) for check in checks]}, "\n".join(lines), as_json=as_json)
    return 0 if ok else FAULTY


def _advice(repair: str) -> str:
    return f"\n       {repair}" if repair else ""
