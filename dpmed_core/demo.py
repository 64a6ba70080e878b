"""The first start of an empty installation: the demo cohort is made and trained without a click."""

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from typing import Literal

from filelock import FileLock, Timeout

from dpmed_core.cohort.demo.radiograph import add_demo_radiograph
from dpmed_core.engine.process import ensure_engine
from dpmed_core.files import write_json
from dpmed_core.installation import Installation
from dpmed_core.runs.plan import plan_runs
from dpmed_core.settings import Settings, settings_environment
from dpmed_core.training.recipes.catalogue import PAPER, PROBE
from dpmed_core.training.spec import PrivacyUnit

DEMO_NAME = "demo-radiograph"
PROBE_EPSILONS = (0.3, 0.6, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0)
PROBE_SEEDS = 3
PAPER_EPSILONS = (8.0, 1.0)
MARK = "first-start.json"

Stage = Literal["starting", "rendering", "asking", "done"]


@dataclass(frozen=True)
class DemoProgress:
    """How far the first start has come; `done` of `total` images while rendering."""

    stage: Stage
    done: int = 0
    total: int = 0


def start_if_empty(settings: Settings) -> None:
    """Start the making of the demo, in a process of its own, where nothing was ever stored or it was cut short."""
    progress_so_far = progress(settings)
    if not settings.demo or (progress_so_far and progress_so_far.stage == "done"):
        return
    if progress_so_far is None and Installation.open(settings).cohorts.names():
        return
    subprocess.Popen(
        [sys.executable, "-m", "dpmed_core", "first-start"],
        env=settings_environment(settings),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def progress(settings: Settings) -> DemoProgress | None:
    """How far the first start is; None where there never was one."""
    path = settings.data_dir / MARK
    return DemoProgress(**json.loads(path.read_text())) if path.exists() else None


def make_demo(settings: Settings) -> None:
    """Make the demo cohort, ask for its runs and see that the engine works them off; once, whoever asks."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(settings.data_dir / f".{MARK}.lock", timeout=0):
            _make_demo(settings)
    except Timeout:
        return  # another process is at it


def _make_demo(settings: Settings) -> None:
    _mark(settings, DemoProgress("starting"))
    installation = Installation.open(settings)
    ensure_engine(settings)
    if DEMO_NAME not in installation.cohorts.names():
        add_demo_radiograph(
            installation.cohorts,
            name=DEMO_NAME,
            n_cases=settings.demo_cases,
            workers=settings.workers,
            progress=lambda done, total: _mark(settings, DemoProgress("rendering", done, total)),
        )
    _mark(settings, DemoProgress("asking"))
    _ask_for_demo_runs(installation)
    ensure_engine(settings)
    _mark(settings, DemoProgress("done"))


def _ask_for_demo_runs(installation: Installation) -> None:
    cohort = installation.cohorts.load(DEMO_NAME)
    for recipe, epsilons, n_seeds in ((PROBE, PROBE_EPSILONS, PROBE_SEEDS), (PAPER, PAPER_EPSILONS, 1)):
        for spec in plan_runs(
            cohort,
            key=installation.key,
            recipe=recipe.name,
            epsilons=epsilons,
            n_seeds=n_seeds,
            delta=None,
            unit=PrivacyUnit.PATIENT,
        ):
            installation.runs.ask(spec, cohort_name=DEMO_NAME)


def _mark(settings: Settings, reached: DemoProgress) -> None:
    write_json(settings.data_dir / MARK, asdict(reached))
