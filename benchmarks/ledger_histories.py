"""Random histories of runs against the real stores and the real ledger, and a slow bookkeeper who only remembers what was done.

    python -m benchmarks.ledger_histories 2000

Two cohorts share some of their patients. A history asks for runs, trains them with checkpoints or without, kills, fails and cancels them at
random steps, kills them while a result is stored, retries, damages results, removes a cohort and imports it again, and damages nothing of
the ledger. The bookkeeper adds up (end - resumed step) of every attempt for each patient and composes by bisection, with nothing of DPMed's
accounting; the ledger must say the same for both cohorts. Attempts that are still open count whole in both.
"""

import math
import random
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import norm

from dpmed_core.cohort.report import ImportReport
from dpmed_core.cohort.schema import Cohort, Part
from dpmed_core.cohort.split import assign_parts
from dpmed_core.engine.training_task import work_on
from dpmed_core.imaging.modality import Modality
from dpmed_core.installation import Installation
from dpmed_core.privacy.ledger.check import check_ledger
from dpmed_core.runs.status import RunState, RunStatus
from dpmed_core.runs.store import RunStore
from dpmed_core.settings import Settings
from dpmed_core.training.accounting.full_batch import guarantee_full_batch
from dpmed_core.training.result import SCORE_COLUMNS, PrivacyGuarantee, RunResult, TrainedModel
from dpmed_core.training.session import Checkpoint, TrainingSession
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit, RunSpec

N_STEPS, CHECKPOINT_EVERY, NOISE, DELTA = 6, 2, 9.0, 1e-5
COHORTS = {"first": range(24), "second": range(12, 36)}
"""Numbers of the patients of each cohort; twelve are in both."""
ENDS = ("finish", "finish", "fail", "cancel", "kill", "kill-storing")
ACTS = ("ask", "work", "work", "work", "retry", "damage", "remove", "add", "cancel")


class Killed(BaseException):
    """Ends a worker as a signal would: nothing that handles errors gets to record anything."""


@dataclass
class Bookkeeper:
    """Remembers what was done, and what it cost whom.

    Attributes:
        charged: steps that the attempts of each run took.
        checkpoint: the last durable step of each run.
        patients: training patients of each run.
    """

    charged: dict[str, int] = field(default_factory=dict)
    checkpoint: dict[str, int] = field(default_factory=dict)
    patients: dict[str, frozenset[str]] = field(default_factory=dict)

    def attempt(self, run_id: str, patients: frozenset[str], *, end: int, resumed: int) -> None:
        """An attempt took the steps from `resumed` to `end`."""
        self.patients[run_id] = patients
        self.charged[run_id] = self.charged.get(run_id, 0) + end - resumed

    def largest_epsilon(self, patients: frozenset[str]) -> float:
        """Epsilon of the one of `patients` who lost most."""
        steps = {p: sum(n for run_id, n in self.charged.items() if p in self.patients[run_id]) for p in patients}
        return slow_epsilon(math.sqrt(max(steps.values(), default=0)) / NOISE)


def slow_epsilon(mu: float) -> float:
    """Epsilon of a Gaussian mechanism at `DELTA`, by halving an interval 200 times (Balle & Wang 2018, theorem 8)."""
    if mu == 0 or norm.cdf(mu / 2) - norm.cdf(-mu / 2) <= DELTA:
        return 0.0
    low, high = 0.0, 1000.0
    for _ in range(200):
        middle = (low + high) / 2
        spent = norm.cdf(mu / 2 - middle / mu) - math.exp(middle + norm.logcdf(-mu / 2 - middle / mu))
        low, high = (middle, high) if spent > DELTA else (low, middle)
    return high


@dataclass
class Trainer:
    """Trains by counting, privately, and ends as it is told.

    Attributes:
        end: how.
        at: the step at which, unless it finishes.
        keeps_checkpoints: whether it keeps any.
        started_from: the step it began from; None before it began.
    """

    end: str
    at: int
    keeps_checkpoints: bool
    started_from: int | None = None

    def __call__(self, installation: Installation, status: RunStatus, session: TrainingSession) -> TrainedModel:
        """The model, or an exception."""
        guarantee = self.guarantee(status)
        session.plan(guarantee, N_STEPS)
        if not self.keeps_checkpoints:
            session.charge_all()
        checkpoint = session.latest()
        done = self.started_from = checkpoint.step if checkpoint else 0
        while done < N_STEPS:
            session.step(done, N_STEPS)
            if done >= self.at and self.end in ("fail", "cancel", "kill"):
                self._stop(installation, status, session, done)
            done += 1
            if done % CHECKPOINT_EVERY == 0 and self.keeps_checkpoints:
                session.save(Checkpoint(done, {"w": np.full(2, done, np.float32)}, elapsed_seconds=0.0))
        session.step(done, N_STEPS)
        result = RunResult(status.spec, guarantee, elapsed_seconds=0.0, n_parameters=2, n_train_cases=2, n_train_units=2)
        return TrainedModel(result, pd.DataFrame(columns=list(SCORE_COLUMNS)), {"w": np.random.default_rng().normal(size=2)})

    @staticmethod
    def guarantee(status: RunStatus) -> PrivacyGuarantee | None:
        """What a run spends; None without privacy."""
        if status.spec.privacy is None:
            return None
        return guarantee_full_batch(
            status.spec.privacy, noise_multiplier=NOISE, steps=N_STEPS, max_grad_norm=1.0, unit=PrivacyUnit.PATIENT, n_units=2
        )

    def _stop(self, installation: Installation, status: RunStatus, session: TrainingSession, done: int) -> None:
        if self.end == "kill":
            raise Killed
        if self.end == "fail":
            raise RuntimeError
        installation.runs.cancel(status.run_id)
        session.step(done, N_STEPS)


@dataclass
class History:
    """One random history.

    Attributes:
        installation: the real stores.
        chance: source of choices.
        book: the bookkeeper.
        cohorts: the cohorts by name, whether they are there or removed at the moment.
    """

    installation: Installation
    chance: random.Random
    book: Bookkeeper = field(default_factory=Bookkeeper)
    cohorts: dict[str, Cohort] = field(default_factory=dict)

    def run(self, n_acts: int) -> None:
        """Do `n_acts` random things."""
        for name in COHORTS:
            self.cohorts[name] = import_cohort(self.installation, name)
        for _ in range(n_acts):
            getattr(self, self.chance.choice(ACTS))()

    def ask(self) -> None:
        """Ask for a run, private or not."""
        if name := self._a_cohort():
            target = PrivacyTarget(8.0, DELTA) if self.chance.random() < 0.8 else None
            spec = RunSpec(self.cohorts[name].fingerprint, 0, "paper", 1, PrivacyUnit.PATIENT, target, self.chance.randrange(3))
            self.installation.ledger.ask(self.cohorts[name], [spec])

    def work(self) -> None:
        """Let a worker take up a run that is queued or was left by a killed one, and end somehow."""
        runs = self.installation.runs
        if (status := self._a_run(RunState.QUEUED, RunState.TRAINING)) is None or runs.wants_cancel(status.run_id):
            return
        if (cohort := self._cohort_of(status)) is None:
            return
        run_id, end = status.run_id, self.chance.choice(ENDS)
        trainer = Trainer(end, self.chance.randrange(N_STEPS), keeps_checkpoints=status.spec.seed != 0)
        resumed = self.book.checkpoint.get(run_id, 0)
        at = max(trainer.at, resumed)
        if resumed == N_STEPS and end != "kill-storing":
            end = "finish"  # no step is left to be stopped at
        finish = RunStore.finish
        try:
            if end == "kill-storing":
                RunStore.finish = killed_while_storing  # type: ignore[method-assign]
            work_on(self.installation.settings, run_id, trainer=trainer)
        except Killed:
            pass
        finally:
            RunStore.finish = finish  # type: ignore[method-assign]
        if trainer.started_from is None:  # given up: too many workers died without a checkpoint
            return
        assert trainer.started_from == resumed, (trainer.started_from, resumed)
        done = N_STEPS if end in ("finish", "kill-storing") else at
        durable = done // CHECKPOINT_EVERY * CHECKPOINT_EVERY if trainer.keeps_checkpoints else 0
        durable = max(durable, resumed)
        charged = {"kill": durable}.get(end, done) if trainer.keeps_checkpoints else N_STEPS
        if status.spec.privacy is not None:
            self.book.attempt(run_id, training_patients_of(self.installation, cohort), end=charged, resumed=resumed)
        self.book.checkpoint[run_id] = 0 if end == "finish" else durable

    def retry(self) -> None:
        """Retry a run that failed, was cancelled or damaged."""
        status = self._a_run(RunState.FAILED, RunState.CANCELLED, RunState.FINISHED)
        runs = self.installation.runs
        if status and (status.state is not RunState.FINISHED or runs.is_damaged(status.run_id)):
            runs.retry(status.run_id)

    def damage(self) -> None:
        """Damage a finished result."""
        if status := self._a_run(RunState.FINISHED):
            path = self.installation.runs.root / status.run_id / self.chance.choice(("scores.parquet", "weights.safetensors"))
            if path.exists():
                path.write_bytes(path.read_bytes()[:-1])

    def remove(self) -> None:
        """Remove a cohort."""
        if (name := self._a_cohort()) and self.chance.random() < 0.5:
            for run_id in self.installation.remove_cohort(name):
                self.book.checkpoint[run_id] = 0

    def add(self) -> None:
        """Import a removed cohort again."""
        for name in set(COHORTS) - set(self.installation.cohorts.names()):
            import_cohort(self.installation, name)

    def cancel(self) -> None:
        """Cancel a queued run."""
        if (status := self._a_run(RunState.QUEUED)) is not None:
            self.installation.runs.cancel(status.run_id)

    def settle(self) -> None:
        """What the next attempts will find: the ends of killed ones."""
        for status in self.installation.runs.statuses():
            if status.state is RunState.TRAINING:
                self.installation.runs.record(status.run_id, "started")
            if status.state is RunState.QUEUED:
                self.installation.runs.cancel(status.run_id)
            self.installation.ledger.settle(status.run_id)

    def difference(self) -> float:
        """The largest difference between the ledger's epsilon and the bookkeeper's, over both cohorts; positive where it says more."""
        self.settle()
        self.add()
        found = []
        for cohort in self.cohorts.values():
            patients = frozenset(cohort.cases["patient_id"])
            said = self.installation.ledger.total(cohort, delta=DELTA).epsilon
            found.append(said - self.book.largest_epsilon(patients))
        return max(found, key=abs)

    def _a_cohort(self) -> str | None:
        names = self.installation.cohorts.names()
        return self.chance.choice(names) if names else None

    def _a_run(self, *states: RunState) -> RunStatus | None:
        found = [status for status in self.installation.runs.statuses() if status.state in states]
        return self.chance.choice(found) if found else None

    def _cohort_of(self, status: RunStatus) -> Cohort | None:
        there = self.installation.cohorts.names()
        return next((c for n, c in self.cohorts.items() if c.fingerprint == status.spec.cohort_fingerprint and n in there), None)


def killed_while_storing(store: RunStore, run_id: str, model: TrainedModel) -> None:
    """`RunStore.finish` of a worker that is killed at its first file."""
    del store, run_id, model
    raise Killed


def training_patients_of(installation: Installation, cohort: Cohort) -> frozenset[str]:
    """The training patients of a cohort, by the split alone."""
    split = assign_parts(cohort, seed=0, key=installation.key)
    return frozenset(cohort.cases["patient_id"].iloc[split.rows(Part.TRAIN)])


def import_cohort(installation: Installation, name: str) -> Cohort:
    """A cohort with one small image for each of its patients; the same each time."""
    patients = [f"{number:016x}" for number in COHORTS[name]]
    cases = pd.DataFrame(
        {"case_id": [f"{name[0]}{p[1:]}" for p in patients], "patient_id": patients, "age": 50.0, "sex": "female", "split": None}
    ).assign(mass=[float(number % 2) for number in COHORTS[name]])
    images = np.arange(len(cases) * 16, dtype=np.uint8).reshape(-1, 4, 4)
    return installation.cohorts.write(
        name,
        modality=Modality.RADIOGRAPH,
        synthetic=False,
        findings=("mass",),
        comorbidities=(),
        cases=cases,
        images=images,
        report=ImportReport(len(cases), len(cases), len(cases), 0, 0),
    )


def differences(n_histories: int, *, n_acts: int = 25, first: int = 0) -> list[float]:
    """For each history how much more the ledger says than the bookkeeper; the ledger must pass its own check, too."""
    found = []
    for number in range(first, first + n_histories):
        with tempfile.TemporaryDirectory() as folder:
            history = History(Installation.open(Settings(data_dir=Path(folder), workers=1)), random.Random(number))
            history.run(n_acts)
            found.append(history.difference())
            problems = check_ledger(history.installation.ledger).problems
            assert not problems, (number, problems)
    return found


if __name__ == "__main__":
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    began = time.monotonic()
    values = differences(n)
    said = f"the ledger says too little by at most {max(0.0, -min(values)):.3g}, too much by at most {max(0.0, max(values)):.3g}"
    sys.stdout.write(f"{n} histories, {time.monotonic() - began:.0f} s: {said}\n")
