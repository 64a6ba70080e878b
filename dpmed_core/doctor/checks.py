"""The checks of the doctor: each looks at one part of an installation and names all in it that is not as it should be.

A check changes nothing of what it looks at. What `mend` does is safe: it costs no result, no record of what was spent, and nothing that a
person entered.
"""

import os
import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from dpmed_core.engine.health import Check, can_write, database_answers, failed
from dpmed_core.engine.keeper import has_work
from dpmed_core.engine.process import engine_is_alive
from dpmed_core.errors import CohortError, EncoderError, ReviewError, SpecError
from dpmed_core.files import close_to_others, open_to_others
from dpmed_core.installation import Installation
from dpmed_core.phrases import counted
from dpmed_core.privacy.ledger.check import check_ledger
from dpmed_core.protection import check_measurements
from dpmed_core.reporting.static_images import NO_BROWSER, browser
from dpmed_core.review.frozen_tables import changed_tables
from dpmed_core.runs.status import RunState, RunStatus
from dpmed_core.settings import Settings
from dpmed_core.uploads.jobs import UNREADABLE as UNREADABLE_JOB
from dpmed_core.uploads.jobs import Jobs


@dataclass(frozen=True)
class Finding:
    """A check, and how to mend what it found.

    Attributes:
        check: what was found.
        mend: does what is safe; None where a person has to decide.
    """

    check: Check
    mend: Callable[[], None] | None = None


Look = Callable[[], Iterator[Finding]]


def guarded(name: str, look: Look, repair: str) -> Iterator[Finding]:
    """What `look` finds; whatever else goes wrong while it looks is a finding too.

    Args:
        name: of the check.
        look: the check.
        repair: what to do where it cannot be made.
    """
    try:
        yield from look()
    except Exception as error:  # noqa: BLE001 (whatever it is, it is what the check found)
        yield Finding(failed(name, error, repair))


def look_at_folder(settings: Settings) -> Iterator[Finding]:
    """Whether the data folder is there, has space, can be written, and is closed to other users."""
    if not settings.data_dir.is_dir():
        yield Finding(Check("data folder", True, "It does not exist yet: it is made at the first start."))
        return
    can_write(settings)
    yield Finding(Check("data folder", True, "It can be read and written, and has space."))
    exposed = open_to_others(settings.data_dir)
    if exposed:
        message = f"{counted(len(exposed), 'file or folder is', 'files and folders are')} open to other users of this machine."
        repair = "Close them with `doctor --repair`."
        yield Finding(Check("modes", False, message, repair), lambda: close_to_others(exposed))
    else:
        yield Finding(Check("modes", True, "Everything in it is its owner's alone."))


def look_at_database(here: Installation) -> Iterator[Finding]:
    """Whether the database answers, and the ledger in it is whole and agrees with the runs' own records."""
    database_answers(here.settings)
    found = check_ledger(here.ledger)
    yield Finding(Check("database", True, "It answers."))
    if not found.problems:
        yield Finding(Check("ledger", True, f"{counted(found.n_entries, 'entry', 'entries')}, unbroken."))
    for problem in found.problems:
        yield Finding(Check("ledger", False, problem, "See `ledger check`, and docs/operations.md for restoring a backup."))


def look_at_reviews(here: Installation) -> Iterator[Finding]:
    """Every review that was changed outside DPMed, in its records or in what it froze."""

    def look(review_id: str) -> None:
        found = here.reviews.review(review_id)
        if found.broken_at is not None or changed_tables(found.frozen, here.reviews.tables(review_id)):
            raise ReviewError(f"Review {review_id} was changed outside DPMed: it does not show what was recorded.")

    yield from _each("review", here.reviews.names(), look, "Restore the database from a backup; `review show {0}` says what was changed.")


def look_at_cohorts(here: Installation) -> Iterator[Finding]:
    """Every cohort that cannot be read."""

    def look(name: str) -> None:
        if not here.cohorts.is_intact(name):
            raise CohortError(f"The table or the images of cohort {name!r} are not the ones that were imported.")
        here.cohorts.persons(name)

    way_out = "Restore cohorts/{0} from a backup, or remove it with `cohort remove {0}` and import it again."
    yield from _each("cohort", here.cohorts.names(), look, way_out)


def look_at_measurements(here: Installation) -> Iterator[Finding]:
    """Every cohort of which something measured is kept that cannot be read."""
    way_out = "Measure it again on the page Privacy, or remove cohorts/{0}/protection."
    names = [name for name in here.cohorts.names() if here.cohorts.protection_dir(name).exists()]
    yield from _each("measured cohort", names, lambda name: check_measurements(here, name), way_out)


def look_at_starts(here: Installation) -> Iterator[Finding]:
    """Every public start that cannot be read."""

    def look(name: str) -> None:
        here.starts.load(name)
        here.starts.seen(name)

    way_out = "Runs that began there keep their own copy. Restore starts/{0} from a backup, or remove it and make it again."
    yield from _each("start", here.starts.names(), look, way_out)


def look_at_encoders(here: Installation) -> Iterator[Finding]:
    """Every added encoder that cannot be read."""
    way_out = "Restore encoders/{0} from a backup: models that read it score no case without it."
    yield from _each("encoder", here.encoders.names(), lambda name: here.encoders.load(name).check(), way_out)


def _each(kind: str, names: Sequence[str], look: Callable[[str], None], way_out: str) -> Iterator[Finding]:
    """Every one of `names` that `look` finds to be damaged, and how many are not."""
    damaged = 0
    for name in names:
        try:
            look(name)
        except (CohortError, EncoderError, ReviewError, SpecError) as error:
            damaged += 1
            yield Finding(Check(f"{kind} {name}", False, str(error), way_out.format(name)))
    yield Finding(Check(f"{kind}s", True, f"{counted(len(names) - damaged, kind, f'{kind}s')} can be read."))


def look_at_runs(here: Installation) -> Iterator[Finding]:
    """Every run that cannot be read, whose result is damaged, or whose record lost events."""
    ids, damaged = here.runs.ids(), 0
    for run_id in ids:
        run = here.runs.look(run_id)
        message = None if isinstance(run, RunStatus) else run.message
        if message is None and run.state == RunState.FINISHED:
            message = here.runs.damage(run_id)
        if message is None and not here.runs.attempts_record(run_id).is_whole:
            message = (
                f"The record of what run {run_id} spent (attempts.jsonl) lost events: all that is known to have begun counts whole. "
                "Restore that file from a backup; nothing else has to be done."
            )
        if message is not None:
            damaged += 1
            yield Finding(Check(f"run {run_id}", False, message, _way_out(run_id)))
    yield Finding(Check("runs", True, f"{counted(len(ids) - damaged, 'run', 'runs')} can be read."))


def _way_out(run_id: str) -> str:
    return f"See `runs show {run_id}`; `runs retry` trains it again, `runs withdraw` gives it up."


def look_at_imports(settings: Settings) -> Iterator[Finding]:
    """Every import of the page that cannot be read."""
    jobs = Jobs(settings)
    for job in jobs.all():
        if job.state().message == UNREADABLE_JOB:
            found = Check(f"import {job.job_id}", False, UNREADABLE_JOB, "Cancel it on the page Import, or with `doctor --repair`.")
            yield Finding(found, partial(jobs.cancel, job))
    yield Finding(Check("imports", True, f"{counted(len(jobs.all()), 'import is', 'imports are')} kept."))


def look_at_engine(settings: Settings, here: Installation) -> Iterator[Finding]:
    """Whether there is work that no engine does."""
    if engine_is_alive(settings):
        yield Finding(Check("engine", True, "It is running."))
    elif has_work(here):
        message = "Runs or requests are open, and no engine is running: a server starts one within seconds."
        yield Finding(Check("engine", True, message, "Without a server: `python -m dpmed_core engine`."))
    else:
        yield Finding(Check("engine", True, "There is nothing to do."))


def look_at_machine() -> Iterator[Finding]:
    """What the machine has: it is said, and is no fault."""
    found = browser()
    message = f"Pictures are drawn by {found.name}." if found else NO_BROWSER
    yield Finding(Check("browser", True, message))
    yield Finding(Check("machine", True, f"Python {platform.python_version()}, {os.cpu_count()} processors."))
