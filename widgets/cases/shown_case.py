"""The selected case, and the models whose scores are shown for it."""

from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd

from dpmed_core.cohort.schema import Cohort, Part
from dpmed_core.evaluation.cases.case_scores import CaseScores, trainings_of_case
from widgets.cached import key_of


@dataclass(frozen=True, eq=False)
class ModelContext:
    """The models whose scores are shown, and for which cases.

    Attributes:
        cohort: whose cases.
        part: the part of the cohort.
        finding: a finding, or "macro".
        recipe: of the models.
        unit: of the models.
        epsilon: the chosen privacy budget; None where there is no private model.
        scores: of the models; None where none has scored these cases.
        token: names the tables that the scores come from; part of cache keys.
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
class SelectedCase:
    """The selected case.

    Attributes:
        context: the models.
        row: the case's row in the cohort.
        link: its name in the address.
        finding: the finding that is shown; where the context has "macro", the one whose score changes most with privacy.
    """

    context: ModelContext
    row: int
    link: str
    finding: str

    @cached_property
    def trainings(self) -> pd.DataFrame | None:
        """Its scores by training run (`evaluation.cases.case_scores.TRAINING_COLUMNS`); None where none has scored it."""
        scores = self.context.scores
        return trainings_of_case(scores, self.case_id) if scores is not None and self.case_id in scores.case_index else None

    @property
    def key(self) -> str:
        """All that its scores and answers depend on, as a key of caches."""
        of = self.context
        return key_of(of.cohort.fingerprint, of.token, of.part, of.recipe, of.unit, of.epsilon, self.row, self.finding)

    @property
    def cohort(self) -> Cohort:
        """The case's cohort."""
        return self.context.cohort

    @property
    def epsilon(self) -> float | None:
        """The chosen privacy budget."""
        return self.context.epsilon

    @property
    def case_id(self) -> str:
        """Its case_id."""
        return str(self.cohort.cases["case_id"].iloc[self.row])

    @property
    def labels(self) -> pd.Series:
        """1, 0 or NaN by finding."""
        return self.cohort.cases.loc[self.row, list(self.cohort.findings)].astype(float)
