"""Attempts that the ledger lacks: their entries, made from the record that each run kept.

They are those of versions that had no ledger, and those after which an older copy of the database was restored.

Their patients follow from the cohort, where it is still here (or is again); otherwise nobody can tell them, and they count for everybody.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from dpmed_core.cohort.store import CohortStore
from dpmed_core.errors import DpmedError
from dpmed_core.privacy.ledger.book import ENDED, PLANNED, draw_of
from dpmed_core.privacy.ledger.chain import Entry
from dpmed_core.privacy.ledger.charges import ended_body, facts_of, planned_body
from dpmed_core.privacy.ledger.patients import EVERYBODY, PatientSet, TrainingPatients, set_id_of, training_patients
from dpmed_core.runs.charged_attempts import Attempt, recorded_attempts
from dpmed_core.runs.status import UnreadableRun
from dpmed_core.runs.store import RunStore
from dpmed_core.training.accounting.gaussian_dp import gaussian_mu
from dpmed_core.training.result import NEIGHBORING_RELATION, PrivacyGuarantee
from dpmed_core.training.spec import RunSpec

RECORD_LOST = "record lost"
"""How an attempt ended of which the run's record no longer tells."""
UNREADABLE = {"cohort": None, "recipe": "unknown", "unit": "patient", "epsilon": None, "delta": None, "seed": None}
"""What is said of a run whose specification cannot be read."""


@dataclass(frozen=True, eq=False)
class Adopter:
    """Makes the entries of runs that have none.

    Attributes:
        runs: the training runs.
        cohorts: the cohorts.
        calibrations_dir: cache of the accountants.
    """

    runs: RunStore
    cohorts: CohortStore
    calibrations_dir: Path | None

    def entries_of(
        self, run_id: str, sets: dict[str, PatientSet], *, known: Collection[str] = ()
    ) -> list[tuple[str, dict[str, object]]] | None:
        """Kind and body of the entries of a run, in their order; None where nothing tells what it spent.

        The set of its patients is added to `sets`. Where the run's record lost events, the attempts that it must have had are entered too,
        each whole: with the guarantee that another file of the run tells, or else with the run's target.

        Args:
            run_id: the run.
            sets: the sets of patients by name.
            known: draws of this run that have entries already.
        """
        recorded, is_whole = recorded_attempts(self.runs, run_id)
        attempts = [attempt for attempt in recorded if attempt.draw not in known]
        if not is_whole:
            lost = self._lost(run_id, recorded, {*known, *(attempt.draw for attempt in recorded)})
            if lost is None:
                return None
            attempts += lost
        if not attempts:
            return []
        facts, set_id, most_images = self._facts(run_id, sets)
        made: list[tuple[str, dict[str, object]]] = []
        for attempt in attempts:
            unit = {"unit": attempt.guarantee.unit.value} if attempt.guarantee else {}
            body = planned_body(
                run_id,
                {**facts, **unit, "adopted": True},
                draw=attempt.draw,
                patients=set_id,
                most_images=most_images,
                guarantee=attempt.guarantee,
                steps=attempt.total_steps - attempt.resumed,
                resumed=attempt.resumed,
                calibrations_dir=self.calibrations_dir,
            )
            made.append((PLANNED, body))
            if not attempt.is_open:
                draw = draw_of(Entry(0, 0.0, PLANNED, body, ""))
                weights = self._weights(run_id) if attempt is attempts[-1] and attempt.finished else None
                ended = ended_body(draw, steps=attempt.steps, how=attempt.how, weights=weights, calibrations_dir=self.calibrations_dir)
                made.append((ENDED, ended))
        return made

    def _facts(self, run_id: str, sets: dict[str, PatientSet]) -> tuple[Mapping[str, object], str, int]:
        """What is known of a run: facts of its specification, the name of its set of patients, images of the patient who has most."""
        if (spec := self.runs.look(run_id).spec) is None:
            return UNREADABLE, EVERYBODY, 1
        trained = self._patients(spec)
        if trained is None:
            return facts_of(spec), EVERYBODY, 1
        set_id = set_id_of(self.runs.key, trained.patients)
        sets[set_id] = trained.patients
        return facts_of(spec), set_id, trained.most_images

    def _patients(self, spec: RunSpec) -> TrainingPatients | None:
        try:
            cohort = self.cohorts.with_fingerprint(spec.cohort_fingerprint)
            return training_patients(self.cohorts, cohort, split_seed=spec.split_seed)
        except DpmedError:
            return None

    def _lost(self, run_id: str, recorded: list[Attempt], told: Collection[str]) -> list[Attempt] | None:
        """The attempts that a run must have had beyond those in `told`; None where nothing tells what they spent."""
        run = self.runs.look(run_id)
        n_attempts = 1 if isinstance(run, UnreadableRun) else max(run.progress.attempt, 1)
        missing = range(n_attempts - len(told))
        if not missing:
            return []
        guarantee = next((attempt.guarantee for attempt in reversed(recorded) if attempt.guarantee), None)
        if guarantee is None and not isinstance(run, UnreadableRun):
            guarantee = run.progress.planned
        if guarantee is None:
            guarantee = self._of_result(run_id) or _of_target(run.spec)
        if guarantee is None and (run.spec is None or run.spec.privacy):
            return None
        steps = guarantee.steps if guarantee else 1
        ends = {"end": steps, "how": RECORD_LOST}
        return [Attempt(f"{run_id}-lost-{number}", guarantee, steps, **ends) for number in missing]  # type: ignore[arg-type]

    def _of_result(self, run_id: str) -> PrivacyGuarantee | None:
        try:
            return self.runs.result(run_id).guarantee
        except DpmedError:
            return None

    def _weights(self, run_id: str) -> str | None:
        try:
            return self.runs.weights_digest(run_id)
        except DpmedError:
            return None


def _of_target(spec: RunSpec | None) -> PrivacyGuarantee | None:
    """A guarantee that spends the target of a run exactly, as one Gaussian step; None without a target."""
    if spec is None or (target := spec.privacy) is None:
        return None
    return PrivacyGuarantee(
        epsilon=target.epsilon,
        delta=target.delta,
        unit=spec.unit,
        accountant="target",
        neighboring_relation=NEIGHBORING_RELATION,
        noise_multiplier=1 / gaussian_mu(target),
        max_grad_norm=1.0,
        sample_rate=1.0,
        steps=1,
        n_units=1,
        check_epsilon=target.epsilon,
        check_accountant="target",
    )
