"""Random damage to random files of a data folder: does any page or command end in a traceback, is every damaged thing named, is nothing
counted less than before?

One case: a copy of a data folder with two cohorts, finished, queued and cancelled runs, a ledger and an analysis plan; one to three files
are damaged; `doctor`, other commands and one page are asked. `python -m benchmarks.damaged_folders 2000` prints what went wrong, and a sum.
"""

import contextlib
import functools
import io
import json
import logging
import os
import random
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click
import streamlit as st
from streamlit.testing.v1 import AppTest

from dpmed_core.cli import dpmed
from dpmed_core.cohort.demo.radiograph import add_demo_radiograph
from dpmed_core.engine.inline_training import train_inline
from dpmed_core.errors import DpmedError
from dpmed_core.installation import Installation
from dpmed_core.runs.plan import plan_runs
from dpmed_core.settings import Settings, load_settings
from dpmed_core.training.encoders.features import public_features
from dpmed_core.training.spec import PrivacyUnit

ROOT = Path(__file__).resolve().parents[1]
LONGEST_PAGE_SECONDS = 600.0
"""A page that takes longer hangs, however busy the machine is."""
PAGES = ("overview", "import_cohort", "train", "privacy_utility", "fairness", "privacy", "cases", "status")
COHORTS = ("alpha", "beta")
COMMANDS: tuple[tuple[str, ...], ...] = (
    ("runs", "--json"),
    ("runs",),
    ("cohort", "list", "--json"),
    ("cohort", "show", "alpha"),
    ("evaluate", "--cohort", "alpha", "--json"),
    ("evaluate", "--cohort", "beta", "--by", "sex"),
    ("export", "privacy-utility", "--cohort", "alpha", "--out", "OUT.csv"),
    ("export", "fairness-forest", "--cohort", "beta", "--out", "OUT.html"),
    ("ledger", "show", "--cohort", "alpha"),
    ("ledger", "check", "--json"),
    ("plan", "--cohort", "alpha", "--epsilons", "1", "--json"),
    ("analysis-plan", "show", "--cohort", "alpha"),
)
HARMLESS = (
    *(".lock", "secret.key.check", "engine/", "calibrations/", "features/", "inference/", "imports/", "cache/", "logs/"),
    *(".log", "-wal", "-shm", ".index.json", ".changed", "/cancel"),
)
"""Files whose loss costs nothing: they are made anew, or tell only of what was."""


def build(folder: Path) -> None:
    """A data folder as a small group has it after some weeks."""
    here = Installation.open(Settings(data_dir=folder, demo=False, workers=1))
    for seed, name in enumerate(COHORTS):
        add_demo_radiograph(here.cohorts, name=name, n_cases=120, workers=1, seed=seed)
        cohort = here.cohorts.load(name)
        public_features(cohort, features_dir=here.cohorts.features_dir(name), encoders_dir=here.settings.encoders_dir)
        plan = {"key": here.key, "recipe": "probe", "n_seeds": 1, "delta": None, "unit": PrivacyUnit.PATIENT}
        train_inline(here, cohort, plan_runs(cohort, epsilons=[1.0, 8.0], **plan))
        (waiting,) = [spec for spec in plan_runs(cohort, epsilons=[3.0], **plan) if spec.privacy]
        here.ledger.ask(cohort, [waiting])
        if name == COHORTS[1]:
            here.runs.cancel(here.runs.run_id(waiting))


def _emptied(path: Path, rng: random.Random) -> None:
    path.write_bytes(b"")


def _truncated(path: Path, rng: random.Random) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: rng.randrange(max(len(content), 1))])


def _removed(path: Path, rng: random.Random) -> None:
    path.unlink()


def _overwritten(path: Path, rng: random.Random) -> None:
    path.write_bytes(rng.randbytes(rng.choice((1, 40, 4000))))


def _flipped(path: Path, rng: random.Random) -> None:
    content = bytearray(path.read_bytes())
    for _ in range(min(len(content), rng.choice((1, 3, 30)))):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(bytes(content))


def _folder(path: Path, rng: random.Random) -> None:
    path.unlink()
    path.mkdir()


def _another(path: Path, rng: random.Random) -> None:
    others = [p for p in path.parents[1].rglob("*") if p.is_file() and p != path]
    shutil.copy(rng.choice(others), path)


def _changed_json(path: Path, rng: random.Random) -> None:
    try:
        content = json.loads(path.read_text())
        names = list(content)
    except (ValueError, TypeError):
        _flipped(path, rng)
        return
    name = rng.choice(names) if names and isinstance(content, dict) else None
    if name is None:
        _emptied(path, rng)
        return
    match rng.randrange(4):
        case 0:
            del content[name]
        case 1:
            content["of_a_later_version"] = 1
        case 2:
            content[name] = "\x1b[31m<b>" if isinstance(content[name], dict | list) else {"of another kind": [1e308]}
        case 3:
            content = [content]
    path.write_text(json.dumps(content))


DAMAGES: dict[str, Callable[[Path, random.Random], None]] = {
    "emptied": _emptied,
    "truncated": _truncated,
    "removed": _removed,
    "overwritten": _overwritten,
    "bits flipped": _flipped,
    "a folder in its place": _folder,
    "another file's content": _another,
    "JSON changed": _changed_json,
}


@dataclass
class Case:
    """What was damaged in one case, and what went wrong."""

    number: int
    damaged: list[tuple[str, str]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def ask(arguments: Sequence[str]) -> tuple[int, str]:
    """The exit status and the output of a command, run in this process.

    Raises:
        Exception: the command ends in a traceback.
    """
    output, status = io.StringIO(), 0
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        try:
            status = int(dpmed.main(list(arguments), prog_name="dpmed", standalone_mode=False, obj=0o077) or 0)
        except (DpmedError, click.ClickException) as error:
            status = 2
            output.write(str(error))
        except SystemExit as end:
            status = int(end.code or 0)
    return status, output.getvalue()


def open_page(name: str) -> list[str]:
    """The exceptions that a page shows."""
    st.cache_resource.clear()
    st.cache_data.clear()
    page = AppTest.from_file(str(ROOT / "pages" / "frame.py"), default_timeout=LONGEST_PAGE_SECONDS).run()
    if name != PAGES[0]:
        page = page.switch_page(f"{name}.py").run()
    return [str(shown.value) for shown in page.exception]


def is_harmless(name: str) -> bool:
    """Whether nothing is lost with the file."""
    return any(part in name for part in HARMLESS)


def run_case(number: int, template: Path, folder: Path) -> Case:
    """Damage a copy of `template` in `folder`, and ask."""
    rng, case = random.Random(number), Case(number)
    shutil.copytree(template, folder)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    for path in rng.sample(files, rng.choice((1, 1, 2, 3))):
        how = rng.choice(list(DAMAGES))
        before = path.read_bytes()
        DAMAGES[how](path, rng)
        # As found later: for some seconds a folder with a progress alone is taken for a run that is being asked for.
        if path.exists():
            os.utime(path, (time.time() - 3600, time.time() - 3600))
        if not path.is_file() or path.read_bytes() != before:
            case.damaged.append((str(path.relative_to(folder)), how))
    os.environ["DPMED_DATA_DIR"] = str(folder)
    load_settings.cache_clear()
    said = _ask_all(case, rng, folder)
    # Without its key everything would look damaged, so that nothing else is looked at.
    keyless = any(name == "secret.key" for name, _ in case.damaged)
    for name, how in case.damaged:
        parts = Path(name).parts
        thing = "database" if name == "dpmed.db" else parts[1] if parts[0] in ("runs", "cohorts") and len(parts) > 2 else Path(name).stem
        # Who the patients of a synthetic cohort are is computed from its images where it is not stored.
        harmless = is_harmless(name) or (name.endswith("persons.parquet") and how == "removed")
        if not harmless and not (keyless and name != "secret.key") and thing not in said and Path(name).name not in said:
            case.wrong.append(f"not named: {name} ({how})")
    return case


def _ask_all(case: Case, rng: random.Random, folder: Path) -> str:
    """Ask the doctor, two other commands and a page; everything that the commands said."""
    said = ""
    chosen = [("doctor", "--json"), *rng.sample(COMMANDS, 3)]
    for arguments in chosen:
        try:
            _, output = ask([argument.replace("OUT", str(folder / "out")) for argument in arguments])
        except Exception:  # noqa: BLE001 (that is what is looked for)
            case.wrong.append(f"{' '.join(arguments)}: {traceback.format_exc(limit=-4)}")
            continue
        said += output
        if "Traceback" in output:
            case.wrong.append(f"{' '.join(arguments)} prints a traceback")
    page = rng.choice(PAGES)
    try:
        case.wrong += [f"page {page}: {shown}" for shown in open_page(page)]
    except RuntimeError as hung:
        case.wrong.append(f"page {page}: {hung}")
    return said


def _look_for_components_once() -> None:
    """Streamlit reads the metadata of all packages for each `AppTest`, which takes longer than a page."""
    from streamlit.components.v2 import manifest_scanner

    manifest_scanner.scan_component_manifests = functools.cache(manifest_scanner.scan_component_manifests)


def main() -> None:
    """Run so many cases, from number FIRST on."""
    n_cases, first = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
    kinds: Counter[str] = Counter()
    n_wrong = 0
    os.environ.update({"DPMED_DEMO": "false", "DPMED_WORKERS": "1"})
    logging.disable(logging.WARNING)
    _look_for_components_once()
    with tempfile.TemporaryDirectory(prefix="dpmed-damage-") as root:
        template = Path(root) / "template"
        build(template)
        for number in range(first, first + n_cases):
            folder = Path(root) / f"case-{number}"
            case = run_case(number, template, folder)
            shutil.rmtree(folder)
            kinds.update(how for _, how in case.damaged)
            n_wrong += bool(case.wrong)
            if case.wrong:
                sys.stdout.write(f"case {number}: {case.damaged}\n" + "".join(f"    {line}\n" for line in case.wrong))
                sys.stdout.flush()
            if number % 50 == 49:
                sys.stderr.write(f"up to case {number}\n")
    sys.stdout.write(f"{n_cases} cases, {sum(kinds.values())} damaged files ({dict(kinds)}); something wrong in {n_wrong}\n")


if __name__ == "__main__":
    main()
