"""The doctor's examination: all checks, one after another, and the mending of what is safe to mend."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial

from dpmed_core.doctor.checks import (
    Finding,
    guarded,
    look_at_cohorts,
    look_at_database,
    look_at_encoders,
    look_at_engine,
    look_at_folder,
    look_at_imports,
    look_at_machine,
    look_at_measurements,
    look_at_reviews,
    look_at_runs,
    look_at_starts,
)
from dpmed_core.engine.health import Check
from dpmed_core.errors import DpmedError
from dpmed_core.installation import Installation
from dpmed_core.settings import Settings

RESTORE = "Restore it from a backup; see docs/operations.md."


def examine(settings: Settings, *, repair: bool = False) -> list[Check]:
    """What every check of the installation of `settings` found, in the order of what depends on what.

    Args:
        settings: of the installation; where its data folder does not exist or is empty, nothing is created.
        repair: mend what is safe to mend; a check that was mended says so and is as it should be.
    """
    found = list(_findings(settings))
    mended = [finding.check for finding in found if repair and finding.mend and _is_done(finding.mend)]
    if not mended:
        return [finding.check for finding in found]
    # Looked at again: what belongs to another account, say, cannot be mended, and nothing tells but looking.
    now = [finding.check for finding in _findings(settings)]
    return [*now, *(replace(check, ok=True, message=f"{check.message} Mended.", repair="") for check in mended if check not in now)]


def _findings(settings: Settings) -> Iterator[Finding]:
    """What the checks find; those of what is stored only where the key is right."""
    yield from guarded("data folder", partial(look_at_folder, settings), "Free space on its disk, or make it writable for this account.")
    yield from guarded("machine", look_at_machine, "")
    if not settings.data_dir.is_dir() or not any(settings.data_dir.iterdir()):
        return  # to open it would make its key
    try:
        here = Installation.open(settings)
    except DpmedError as error:
        # Whatever is stored was written under the key: without it, everything would look damaged.
        yield Finding(Check("key", False, str(error), f"{RESTORE} Cohorts, runs and the ledger are looked at when the key is right."))
        return
    yield Finding(Check("key", True, "It is the one under which the data folder was written."))
    yield from guarded("database", partial(look_at_database, here), f"See DPMED_DATABASE_URL, and that the server runs. {RESTORE}")
    yield from guarded("reviews", partial(look_at_reviews, here), RESTORE)
    yield from guarded("cohorts", partial(look_at_cohorts, here), RESTORE)
    yield from guarded("measurements", partial(look_at_measurements, here), "Measure again on the page Privacy.")
    yield from guarded("starts", partial(look_at_starts, here), RESTORE)
    yield from guarded("encoders", partial(look_at_encoders, here), RESTORE)
    yield from guarded("runs", partial(look_at_runs, here), RESTORE)
    yield from guarded("imports", partial(look_at_imports, settings), "Cancel them on the page Import.")
    yield from guarded("engine", partial(look_at_engine, settings, here), "See engine/engine.log in the data folder.")


def _is_done(mend: Callable[[], None]) -> bool:
    """Whether `mend` could be called to its end."""
    with suppress(OSError, DpmedError):
        mend()
        return True
    return False
