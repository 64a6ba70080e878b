"""The case that is looked at, and in what light."""

from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd

from dpmed_core.cohort.schema import Cohort, Part
from dpmed_core.evaluation.cases.case_scores import CaseScores, trainings_of_case


@dataclass(frozen=True, eq=False)
class Light:
    """In what light cases are looked at.

    Attributes:
        cohort: whose.
        part: of the cohort.
        finding: the sidebar's, or "macro".
        recipe: of the models.
        unit: of the models.
        epsilon: the chosen budget; None where no private model is there.
        scores: what the models say; None where none scored these cases.
        token: names the tables that the scores are from.
    """

    cohort: Cohort
    part: Part
    finding: str
    recipe: str
    unit: str
    epsilon: float | None
    scores: CaseScores | None = field(repr=False)
    token: str = field(repr=False)


@dataclass(frozen=True, eq=False)
class ShownCase:
    """The case that is looked at.

    Attributes:
        light: what is asked of all cases.
        row: its row in the cohort.
        link: what names it in the address.
        finding: what is asked of this one: of "macro", the finding whose score privacy changed most.
    """

    light: Light
    row: int
    link: str
    finding: str

    @cached_property
    def trainings(self) -> pd.DataFrame | None:
        """What every training says of it (`evaluation.cases.case_scores.TRAINING_COLUMNS`); None where none scored it."""
        scores = self.light.scores
        return trainings_of_case(scores, self.case_id) if scores is not None and self.case_id in scores.places else None

    @property
    def cohort(self) -> Cohort:
        """Whose it is."""
        return self.light.cohort

    @property
    def epsilon(self) -> float | None:
        """The chosen budget."""
        return self.light.epsilon

    @property
    def case_id(self) -> str:
        """Its case_id."""
        return str(self.cohort.cases["case_id"].iloc[self.row])

    @property
    def labels(self) -> pd.Series:
        """1, 0 or NaN by finding."""
        return self.cohort.cases.loc[self.row, list(self.cohort.findings)].astype(float)
