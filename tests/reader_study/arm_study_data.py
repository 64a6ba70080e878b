"""Studies for tests, with models whose scores are made up."""

import numpy as np
import pandas as pd

from dpmed_core.cohort.schema import Cohort, Part, Split
from dpmed_core.evaluation.cases.case_scores import CaseScores
from dpmed_core.imaging.modality import Modality
from dpmed_core.reader_study.arm_study.planning import StudyRequest, planned_study
from dpmed_core.reader_study.arm_study.store import ArmStudyStore
from dpmed_core.reader_study.arm_study.study import AidingModel, ArmStudy
from dpmed_core.reader_study.multi_reader.ratings import ARMS, UNAIDED

N_CASES = 12


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now

    def days_pass(self, days: float) -> None:
        """Set it on by so many days."""
        self.now += days * 86_400


def made_up_study(**changes: object) -> ArmStudy:
    """Two readers, three arms and twelve cases, half of them with the finding; the models' scores tell them well."""
    cases = tuple(f"{number:08x}" for number in range(N_CASES))
    has = tuple(number % 2 == 0 for number in range(N_CASES))
    models = {
        arm: AidingModel(
            "r" * 16, sentence, 0.5, tuple(0.3 + 0.4 * one + 0.01 * number for one, number in zip(has, range(N_CASES), strict=True))
        )
        for arm, sentence in (("private", "ε = 8 at δ = 1e-05"), ("without privacy", ""))
    }
    given = {
        "study_id": "a" * 16,
        "fingerprint": "f" * 16,
        "title": "Chest",
        "planned_by": "Dr Blue",
        "planned_at": 1_799_000_000.0,
        "finding": "mass",
        "balanced": True,
        "readers": ("Ada", "Bo"),
        "arms": ARMS,
        "wash_out_days": 28,
        "seed": 5,
        "cases": cases,
        "with_finding": has,
        "models": models,
        **changes,
    }
    return ArmStudy(**given)  # type: ignore[arg-type]


def read_session(store: ArmStudyStore, study: ArmStudy, reader: str, *, most: int = 10**6) -> None:
    """Begin or go on with the reader's session, and answer at most so many of its cases, by the reader's own way."""
    store.begin_session(study, reader)
    for _ in range(most):
        if (asked := store.next_reading(study, reader)) is None:
            return
        number = study.cases.index(asked.case_id)
        present = study.with_finding[number] != (number % (3 + study.readers.index(reader)) == 0 and asked.aid is None)
        answer = {"present": present, "confidence": 1 + number % 4, "seconds": 2.5}
        assert store.record(study, reader, session=asked.session, place=asked.place, **answer)  # type: ignore[arg-type]


def drawn_cohort() -> tuple[Cohort, Split]:
    """Eighty patients of one image, every third with the finding; all are test patients."""
    n = 80
    label = np.where(np.arange(n) % 3 == 0, 1.0, 0.0)
    cases = pd.DataFrame({"case_id": [f"{i:08x}" for i in range(n)], "patient_id": [f"{i:04x}" for i in range(n)], "mass": label})
    cohort = Cohort("c", Modality.RADIOGRAPH, True, ("mass",), (), cases, np.zeros((n, 2, 2), np.uint8), "f" * 16)
    return cohort, Split(np.array([Part.TEST.value] * n), 0)


def plan(scores: CaseScores | None = None, epsilon: float | None = None, **changes: object) -> ArmStudy:
    """A study as it is planned on `drawn_cohort`, unaided and aided by both models unless `changes` say otherwise."""
    asked = {"title": "Chest", "readers": ("Ada", "Bo"), "arms": ARMS, "finding": "mass", "n_cases": 20, "balanced": True}
    request = StudyRequest(**{**asked, "wash_out_days": 28, **changes})  # type: ignore[arg-type]
    return planned_study(
        request, *drawn_cohort(), planned_by="Dr Blue", key=bytes(32), scores=scores, epsilon=epsilon, guarantees={"a run": "ε = 8"}
    )


__all__ = ["UNAIDED", "Clock", "drawn_cohort", "made_up_study", "plan", "read_session"]
