"""The first start of an empty installation: the demo cohort is made and trained automatically."""

import logging
import subprocess
import sys
from dataclasses import asdict, dataclass
from typing import Literal

from filelock import Timeout

from dpmed_core.cohort.demo.radiograph import add_demo_radiograph
from dpmed_core.engine.process import ensure_engine
from dpmed_core.errors import DpmedError
from dpmed_core.files import UnreadableFileError, check_fields, lock_at, make_way, read_object, write_json
from dpmed_core.installation import Installation
from dpmed_core.runs.plan import plan_runs
from dpmed_core.settings import Settings, settings_environment
from dpmed_core.training.recipes.catalogue import PAPER, PROBE
from dpmed_core.training.spec import PrivacyUnit

log = logging.getLogger(__name__)

DEMO_NAME = "demo-radiograph"
PROBE_EPSILONS = (0.3, 0.6, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0)
PROBE_SEEDS = 3
PAPER_EPSILONS = (8.0, 1.0)
PROGRESS_FILE = "first-start.json"

Stage = Literal["starting", "rendering", "asking", "done"]


@dataclass(frozen=True)
class DemoProgress:
    """How far the first start is; `done` of `total` images while they are rendered."""

    stage: Stage
    done: int = 0
    total: int = 0


def start_if_empty(settings: Settings) -> None:
    """Start making the demo, in a separate process, in an installation without cohorts or where an earlier start was interrupted."""
    progress_so_far = progress(settings)
    if not settings.demo or (progress_so_far and progress_so_far.stage == "done"):
        return
    try:
        if Installation.open(settings).cohorts.names() and progress_so_far is None:
            return
    except DpmedError as error:  # pages say it too
        log.error("%s", error)
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
    """How far the first start is; None where there was none, or where that cannot be read."""
    try:
        fields = read_object(settings.data_dir / PROGRESS_FILE)
        check_fields(fields, {"stage": str, "done": int, "total": int})
    except UnreadableFileError:
        return None
    return DemoProgress(**fields)


def make_demo(settings: Settings) -> None:
    """Make the demo cohort, queue its runs and start the engine; does nothing while another process is doing it."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    try:
        # Every page that opens may start this at once; the first one holds the lock, and the operating system releases it if it dies.
        with lock_at(settings.data_dir / f".{PROGRESS_FILE}.lock", timeout=0):
            _make_demo(settings)
    except Timeout:
        return


def _make_demo(settings: Settings) -> None:
    """Make what is missing of the demo; each step is skipped or repeated without harm, so that an interrupted start can continue."""
    _record_progress(settings, DemoProgress("starting"))
    installation = Installation.open(settings)
    ensure_engine(settings)  # its workers load torch while the images are rendered
    if DEMO_NAME not in installation.cohorts.names():
        add_demo_radiograph(
            installation.cohorts,
            name=DEMO_NAME,
            n_cases=settings.demo_cases,
            workers=settings.workers,
            progress=lambda done, total: _record_progress(settings, DemoProgress("rendering", done, total)),
        )
    _record_progress(settings, DemoProgress("asking"))
    _queue_demo_runs(installation)
    ensure_engine(settings)
    _record_progress(settings, DemoProgress("done"))


def _queue_demo_runs(installation: Installation) -> None:
    cohort = installation.cohorts.load(DEMO_NAME)
    for recipe, epsilons, n_seeds in ((PROBE, PROBE_EPSILONS, PROBE_SEEDS), (PAPER, PAPER_EPSILONS, 1)):
        specs = plan_runs(
            cohort,
            key=installation.key,
            recipe=recipe.name,
            epsilons=epsilons,
            n_seeds=n_seeds,
            delta=None,
            unit=PrivacyUnit.PATIENT,
        )
        installation.ledger.ask(cohort, specs)


def _record_progress(settings: Settings, reached: DemoProgress) -> None:
    make_way(settings.data_dir / PROGRESS_FILE)
    write_json(settings.data_dir / PROGRESS_FILE, asdict(reached))
