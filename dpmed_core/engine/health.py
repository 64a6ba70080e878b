"""Whether a server lives and whether it is ready, as checks that each say what failed; nothing in them is about a patient."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import text

from dpmed_core.database import Database
from dpmed_core.engine.duties import Duties
from dpmed_core.engine.keeper import has_work
from dpmed_core.engine.process import START_SECONDS, engine_accepts, engine_is_starting
from dpmed_core.errors import EngineError, StorageError, in_words
from dpmed_core.files import space_reason, storage_reason
from dpmed_core.installation import Installation
from dpmed_core.phrases import duration_in_words
from dpmed_core.settings import Settings

LONGEST_SILENCE_SECONDS = START_SECONDS + 60.0
"""Of the keeper: one look may wait for an engine to start."""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: of the thing.
        ok: whether it is as it should be.
        message: what is wrong, or empty.
        repair: what to do about it, or empty.
    """

    name: str
    ok: bool
    message: str = ""
    repair: str = ""


def live_checks(duties: Duties) -> list[Check]:
    """Whether the server's keeper answers; who asks has had an answer from the server's own loop already."""
    silent = duties.silent_seconds()
    if silent > LONGEST_SILENCE_SECONDS:
        return [Check("keeper", False, f"The keeper has not answered for {duration_in_words(silent)}.", "Restart DPMed.")]
    return [Check("keeper", True)]


def ready_checks(settings: Settings, duties: Duties) -> list[Check]:
    """Whether work that is asked for now would be done: data folder, key, database and engine, and whether the keeper does its duties."""
    return [
        *installation_checks(settings),
        *live_checks(duties),
        *(Check(f"duty: {name}", False, fault) for name, fault in duties.faults().items()),
    ]


def installation_checks(settings: Settings) -> list[Check]:
    """Whether data folder, key, database and engine would do work that is asked for now."""
    return [
        _checked(
            "data folder", lambda: can_write(settings), "Free space on its disk, or make it writable for the account that runs DPMed."
        ),
        _checked("key", lambda: _open(settings), "Restore secret.key from a backup."),
        _checked("database", lambda: database_answers(settings), "See DPMED_DATABASE_URL, and that the database server runs."),
        _checked("engine", lambda: _engine_or_nothing_to_do(settings), "See engine/engine.log in the data folder."),
    ]


def _checked(name: str, look: Callable[[], None], repair: str) -> Check:
    """The check that `look` makes: it raises where something is wrong."""
    try:
        look()
    except Exception as error:  # noqa: BLE001 (whatever it is, it is what the check found)
        return failed(name, error, repair)
    return Check(name, True)


def failed(name: str, error: Exception, repair: str) -> Check:
    """The check that ended in `error`."""
    reason = storage_reason(error)
    return Check(name, False, in_words(error) if reason is None else f"{reason[0].upper()}{reason[1:]}.", repair)


def can_write(settings: Settings) -> None:
    """Raise where nothing can be written to the data folder, or its disk is full."""
    if (reason := space_reason(settings.data_dir)) is not None:
        raise StorageError(f"{reason[0].upper()}{reason[1:]}.")
    with tempfile.TemporaryFile(dir=settings.data_dir) as file:
        file.write(b"0")


def _open(settings: Settings) -> None:
    Installation.open(settings)


def database_answers(settings: Settings) -> None:
    """Raise where the database cannot be used for changes."""
    with Database(settings).transaction() as connection:
        connection.execute(text("SELECT 1"))


def _engine_or_nothing_to_do(settings: Settings) -> None:
    if has_work(Installation.open(settings)) and not engine_accepts(settings) and not engine_is_starting(settings):
        raise EngineError("There is work, and no engine takes it.")
