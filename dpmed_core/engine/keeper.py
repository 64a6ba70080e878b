"""What the server does again and again: it keeps an engine running as long as there is work, and removes what was left behind."""

from collections.abc import Callable
from functools import partial

from dpmed_core.engine.duties import Duties
from dpmed_core.engine.engine_watch import EngineWatch
from dpmed_core.engine.process import ensure_engine
from dpmed_core.inference.store import InferenceRequests
from dpmed_core.installation import Installation
from dpmed_core.runs.index import LOOK_AT_ALL_SECONDS
from dpmed_core.settings import Settings

LOOK_EVERY_SECONDS = 2.0


def keeper(settings: Settings, **others: Callable[[], None]) -> Duties:
    """The duties of a server for the data folder of `settings`, and others by name."""
    watch = EngineWatch(settings)
    return Duties(
        {
            "engine": partial(_start_engine_for_work, settings, watch),
            "requests": partial(_clear_requests, settings),
            **others,
        }
    )


def has_work(installation: Installation) -> bool:
    """Whether a run or an inference request is open."""
    if InferenceRequests(installation).open_names():
        return True
    return bool(installation.runs.listing(at_most_seconds_old=LOOK_AT_ALL_SECONDS).open)


def _start_engine_for_work(settings: Settings, watch: EngineWatch) -> None:
    """Start an engine where there is work and none takes it; one that stands still is ended first."""
    watch.look()
    if has_work(Installation.open(settings)):
        ensure_engine(settings)


def _clear_requests(settings: Settings) -> None:
    """Remove inference requests whose answer was not fetched in time."""
    InferenceRequests(Installation.open(settings)).clear_old()
