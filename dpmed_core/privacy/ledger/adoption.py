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
from dpmed_core.runs.charged_attempts import attempts_of
from dpmed_core.runs.store import RunStore
from dpmed_core.training.spec import RunSpec

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

    def entries_of(self, run_id: str, sets: dict[str, PatientSet], *, known: Collection[str] = ()) -> list[tuple[str, dict[str, object]]]:
        """Kind and body of the entries of a run, in their order; the set of its patients is added to `sets`.

        Args:
            run_id: the run.
            sets: the sets of patients by name.
            known: draws that have entries already.
        """
        attempts = [attempt for attempt in attempts_of(self.runs, run_id) if attempt.draw not in known]
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
        try:
            spec = self.runs.status(run_id).spec
        except (DpmedError, OSError, ValueError, KeyError, TypeError):
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
        except DpmedError:
            return None
        return training_patients(self.cohorts, cohort, split_seed=spec.split_seed)

    def _weights(self, run_id: str) -> str | None:
        try:
            return self.runs.weights_digest(run_id)
        except (DpmedError, OSError, ValueError, KeyError):
            return None
