"""One installation: its settings, its secret key and its stores."""

import logging
import secrets
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

from dpmed_core.cohort.store import CohortStore
from dpmed_core.database import Database
from dpmed_core.errors import CohortError, SettingsError
from dpmed_core.files import restrict_to_owner
from dpmed_core.keyed_hash import KEY_BYTES, KEY_FILE, installation_key
from dpmed_core.people.actor import ACCOUNT, Actor
from dpmed_core.people.directory import Directory
from dpmed_core.people.roles import Action
from dpmed_core.people.trail import Trail
from dpmed_core.phrases import counted
from dpmed_core.privacy.ledger.analysis_plans import EARLIER_FOLDER
from dpmed_core.privacy.ledger.chain import HEAD_FILE, Chain
from dpmed_core.privacy.ledger.ledger import Ledger
from dpmed_core.reader_study.arm_study.store import ArmStudyStore
from dpmed_core.reader_study.store import ReaderStudyStore
from dpmed_core.review.store import ReviewStore
from dpmed_core.runs.store import RunStore
from dpmed_core.settings import Settings, load_settings
from dpmed_core.training.encoders.added.store import AddedEncoders
from dpmed_core.training.starts.start_store import StartStore

log = logging.getLogger(__name__)

RESTORING_FILE = "restoring.json"
"""Stands in a data folder into which a backup is being put back, until that is done."""


@dataclass(frozen=True)
class Installation:
    """What the dashboard, the command line and the engine work on.

    Attributes:
        settings: where data are stored and how many workers there are.
        key: the secret key of all keyed hashes.
        cohorts: the imported cohorts.
        runs: the training runs.
        actor: who works on it; every store asks before something is seen or done.
    """

    settings: Settings
    key: bytes
    cohorts: CohortStore
    runs: RunStore
    actor: Actor = ACCOUNT

    @classmethod
    def open(cls, settings: Settings | None = None) -> "Installation":
        """The installation that `settings`, or else the environment, names.

        A data folder that group or others can enter is closed to them, with all in it.

        Raises:
            SettingsError: the key is missing in a folder that is not empty, or is another one; or a restore was interrupted.
        """
        settings = settings or load_settings()
        if (settings.data_dir / RESTORING_FILE).exists():
            raise SettingsError("A restore into this data folder is going on, or was interrupted: give the same `restore FILE` again.")
        _restrict_once(settings.data_dir)
        key = installation_key(settings.data_dir, is_empty=partial(_is_empty, settings), proves=partial(_proves, settings))
        return cls(
            settings=settings,
            key=key,
            cohorts=CohortStore(settings.cohorts_dir, key),
            runs=RunStore(settings.runs_dir, key),
        )

    def acted_on_by(self, actor: Actor) -> "Installation":
        """The same installation, with stores that allow what `actor` may see and do, and refuse the rest."""
        return replace(self, actor=actor, cohorts=replace(self.cohorts, actor=actor), runs=replace(self.runs, actor=actor))

    @property
    def directory(self) -> Directory:
        """The roles of people."""
        return Directory(Database(self.settings), self.actor)

    @property
    def trail(self) -> Trail:
        """Who saw or did what."""
        return Trail(Database(self.settings), self.actor)

    @property
    def starts(self) -> StartStore:
        """The public starts."""
        return StartStore(self.settings.starts_dir, self.settings.encoders_dir)

    @property
    def encoders(self) -> AddedEncoders:
        """The encoders that users added."""
        return AddedEncoders(self.settings.added_encoders_dir)

    @property
    def reader_study(self) -> ReaderStudyStore:
        """The readings of the reader study."""
        return ReaderStudyStore(Database(self.settings), self.actor)

    @property
    def arm_studies(self) -> ArmStudyStore:
        """The reader studies with several readers and arms."""
        return ArmStudyStore(Database(self.settings), self.actor)

    @property
    def reviews(self) -> ReviewStore:
        """The reviews, open and closed."""
        return ReviewStore(Database(self.settings), self.key, self.actor)

    @property
    def ledger(self) -> Ledger:
        """What every model ever trained spent on each patient; runs are asked for here, so that the cap is kept."""
        chain = Chain(Database(self.settings), self.key, self.settings.data_dir)
        return Ledger(chain, self.runs, self.cohorts, self.settings.calibrations_dir, self.actor)

    def remove_cohort(self, name: str) -> list[str]:
        """Remove cohort `name` and give the run_ids that were withdrawn with it.

        Of the runs, the specification and the ledger's entries of what they spent stay. Readers' answers are removed, and what reviews
        say of single cases; reviews stay. Where another cohort holds the same data under another name, runs and answers stay. A cohort that
        cannot be read is removed too.

        Raises:
            CohortError: there is no such cohort.
            NotAllowedError: whoever removes it may not.
        """
        self.actor.require(Action.IMPORT, name)
        others = self._fingerprints(other for other in self.cohorts.names() if other != name)
        withdrawn: list[str] = []
        for fingerprint in self._fingerprints_to_remove(name) - others:
            self.reader_study.forget(fingerprint)
            self.arm_studies.forget(fingerprint)
            self.reviews.forget(fingerprint)
            self.ledger.settle()  # while the cohort is here, runs of earlier versions are told whom they were trained on
            of_cohort = [run_id for run_id in self.runs.ids() if self._is_on(run_id, fingerprint)]
            for run_id in of_cohort:
                self.runs.withdraw(run_id)
            self.ledger.settle(*of_cohort)
            withdrawn += of_cohort
        # The cohort last: after an interruption it is still there by name, and removing it again removes the rest.
        self.cohorts.remove(name)
        return withdrawn

    def _fingerprints(self, names: Iterable[str]) -> set[str]:
        """The fingerprints of the cohorts called `names`, as far as they can be read."""
        found: set[str] = set()
        for name in names:
            with suppress(CohortError):
                found.add(self.cohorts.fingerprint(name))
        return found

    def _fingerprints_to_remove(self, name: str) -> set[str]:
        """The fingerprint of cohort `name`; where it cannot be read, those of the runs that were asked for on a cohort of this name.

        Raises:
            CohortError: there is no such cohort.
        """
        self.cohorts.folder(name)
        return self._fingerprints([name]) or {s.spec.cohort_fingerprint for s in self.runs.statuses() if s.cohort_name == name}

    def _is_on(self, run_id: str, fingerprint: str) -> bool:
        """Whether a run is on the data with this fingerprint: by its request, or else by the ledger."""
        if (spec := self.runs.look(run_id).spec) is not None:
            return spec.cohort_fingerprint == fingerprint
        return any(entry.body.get("run") == run_id and entry.body.get("cohort") == fingerprint for entry in self.ledger.chain.entries())


def _is_empty(settings: Settings) -> bool:
    """Whether the data folder and the database hold nothing that was stored under a key.

    Raises:
        SettingsError: the database cannot be reached or used, which may hold something.
    """
    runs, cohorts = RunStore(settings.runs_dir, b""), CohortStore(settings.cohorts_dir, b"")
    of_ledger = (settings.data_dir / name for name in (HEAD_FILE, EARLIER_FOLDER))
    starts = StartStore(settings.starts_dir)
    return (
        not (runs.ids() or cohorts.names() or starts.names() or any(path.exists() for path in of_ledger)) and Database(settings).is_empty()
    )


def _proves(settings: Settings, key: bytes) -> bool | None:
    """Whether what is stored was hashed under `key`: the name of a run, or the seal of an entry of the ledger; None where nothing tells."""
    told = False
    runs = RunStore(settings.runs_dir, key)
    for run_id in runs.ids():
        if (named := runs.is_named_by_key(run_id)) is not None:
            told = True
            if named:
                return True
    with suppress(SettingsError):  # a database that cannot be used tells nothing
        if not Database(settings).is_empty():
            chain = Chain(Database(settings), key, settings.data_dir)
            entries = chain.entries()
            if entries and chain.broken_at(entries) != 1:
                return True
            told = told or bool(entries)
    return False if told else None


@contextmanager
def dry_run(settings: Settings) -> Iterator[tuple[CohortStore, Path]]:
    """(the store of cohorts, to ask about names and for its key; a folder for a draft): both for looking, since nothing of it stays.

    A data folder that does not exist is not created: the key is then a random one.
    """
    has_key = (settings.data_dir / KEY_FILE).exists()
    store = Installation.open(settings).cohorts if has_key else CohortStore(settings.cohorts_dir, secrets.token_bytes(KEY_BYTES))
    # Pixels of patients belong into the data folder, which is closed to others; a temporary folder is so too.
    with store.draft() if settings.cohorts_dir.exists() else _temporary_folder() as folder:
        yield store, folder


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    """A folder of mode 0700 that is removed when the block ends."""
    with tempfile.TemporaryDirectory(prefix="dpmed-") as folder:
        yield Path(folder)


@cache
def _restrict_once(data_dir: Path) -> None:
    """Close the data folder to others; once a process, since some file systems keep no modes and would be walked at every look."""
    if n_changed := restrict_to_owner(data_dir):
        changed = counted(n_changed, "file or folder is now its owner's alone", "files and folders are now their owner's alone")
        log.warning("The data folder was open to other users of this machine: %s.", changed)
