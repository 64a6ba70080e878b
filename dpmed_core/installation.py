"""One installation: its settings, its secret and its stores, opened together."""

from dataclasses import dataclass

from dpmed_core.cohort.store import CohortStore
from dpmed_core.database import Database
from dpmed_core.keyed_hash import installation_key
from dpmed_core.reader_study.store import ReaderStudyStore
from dpmed_core.runs.store import RunStore
from dpmed_core.settings import Settings, load_settings


@dataclass(frozen=True)
class Installation:
    """What the dashboard, the command line and the engine work on.

    Attributes:
        settings: where things lie and how many workers there are.
        key: the secret of every keyed hash.
        cohorts: the imported cohorts.
        runs: what was asked for and what came of it.
    """

    settings: Settings
    key: bytes
    cohorts: CohortStore
    runs: RunStore

    @classmethod
    def open(cls, settings: Settings | None = None) -> "Installation":
        """The installation that `settings`, or else the environment, names."""
        settings = settings or load_settings()
        key = installation_key(settings.data_dir)
        return cls(
            settings=settings,
            key=key,
            cohorts=CohortStore(settings.cohorts_dir, key),
            runs=RunStore(settings.runs_dir, key),
        )

    @property
    def reader_study(self) -> ReaderStudyStore:
        """What readers answered before they saw labels and scores."""
        return ReaderStudyStore(Database(self.settings))

    def remove_cohort(self, name: str) -> list[str]:
        """Remove cohort `name` and withdraw its runs; the run_ids that were withdrawn.

        The runs' requests and their record of what was spent stay; what readers said of its cases goes. Runs of the same data under another
        cohort's name stay whole.

        Raises:
            CohortError: there is no such cohort.
        """
        fingerprint = self.cohorts.load(name).fingerprint
        self.cohorts.remove(name)
        if any(self.cohorts.load(other).fingerprint == fingerprint for other in self.cohorts.names()):
            return []
        self.reader_study.forget(fingerprint)
        withdrawn = [s.run_id for s in self.runs.statuses() if s.spec.cohort_fingerprint == fingerprint]
        for run_id in withdrawn:
            self.runs.withdraw(run_id)
        return withdrawn
