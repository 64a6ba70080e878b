"""Every table of an evaluation, from one pass over the scores; each is computed once, when it is first asked for."""

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from uuid import uuid4

import pandas as pd

from dpmed_core.cohort.schema import Part
from dpmed_core.evaluation.scores.grouping import EVERYBODY
from dpmed_core.evaluation.scores.load_scores import Scores
from dpmed_core.evaluation.scores.operating_point import OperatingRule
from dpmed_core.evaluation.scores.panel import panels_of
from dpmed_core.evaluation.statistics.auroc_panel import Measured, measure_panel
from dpmed_core.evaluation.statistics.curves import reliability_table, roc_table
from dpmed_core.evaluation.tables.cost_of_privacy import DEFAULT_MARGIN, cost_rows
from dpmed_core.evaluation.tables.fairness_verdict import verdict_rows
from dpmed_core.evaluation.tables.parity import disparity_rows, parity_rows
from dpmed_core.evaluation.tables.rates import RATE_COLUMNS, Rated, rate_panels, rate_rows
from dpmed_core.evaluation.tables.size_loss import size_loss_rows
from dpmed_core.evaluation.tables.subgroup_gaps import gap_rows
from dpmed_core.evaluation.tables.utility import UTILITY_COLUMNS, auroc_rows, utility_means

GUARANTEE_COLUMNS = ["recipe", "unit", "epsilon", "delta", "accountant"]
PLACE = ["recipe", "unit", "epsilon", "delta", "finding", "attribute", "subgroup"]


class EvaluationTables:
    """The tables, each with the columns that its module documents.

    Attributes:
        by: attributes of the subgroups.
        margin: acceptable loss of AUROC, for costs and verdicts.
        findings: the verdicts' family; None for all.
        rule: the operating point; None for Youden's.
        token: a name of these very tables, for caches of what is made from them.
    """

    def __init__(
        self,
        read: Callable[[], Scores],
        by: Sequence[str] = (),
        *,
        margin: float = DEFAULT_MARGIN,
        findings: Sequence[str] | None = None,
        rule: OperatingRule | None = None,
    ) -> None:
        """The tables of the scores that `read` gives; nothing is read before it is needed."""
        self._read = read
        self.by, self.margin, self.findings, self.rule = tuple(by), margin, findings, rule
        self.token = uuid4().hex

    @cached_property
    def scores(self) -> Scores:
        """What all tables are made from."""
        return self._read()

    @cached_property
    def damaged(self) -> list[str]:
        """Runs that are left out because their files fail their check."""
        return list(self.scores.damaged)

    @cached_property
    def superseded(self) -> list[str]:
        """Runs that are left out because a newer version of their recipe has runs."""
        return list(self.scores.superseded)

    @cached_property
    def utility(self) -> pd.DataFrame:
        """AUROC of each run and finding (`evaluation.tables.utility`)."""
        return self._everything[self._everything["attribute"] == EVERYBODY][list(UTILITY_COLUMNS)].reset_index(drop=True)

    @cached_property
    def subgroups(self) -> pd.DataFrame:
        """AUROC of each run, subgroup and finding (`evaluation.tables.subgroup_gaps`)."""
        return self._everything[self._everything["attribute"] != EVERYBODY].reset_index(drop=True)

    @cached_property
    def means(self) -> pd.DataFrame:
        """Both, averaged over trainings; attribute "all" is everybody (`utility.utility_means`)."""
        return utility_means(self._everything)

    @cached_property
    def overall(self) -> pd.DataFrame:
        """Everybody's rows of `means`."""
        return self.means[self.means["attribute"] == EVERYBODY].reset_index(drop=True)

    @cached_property
    def groups(self) -> pd.DataFrame:
        """`means` with their accountant, and, with its reason, what is not estimable in any training; in the order of the subgroups."""
        silent = self._everything[self._everything["auroc"].isna()].drop_duplicates(PLACE)
        counted = silent[[*PLACE, "n_cases", "n_positive", "n_patients", "reason"]]
        both = pd.concat([self.means.assign(reason=""), counted]).drop_duplicates(PLACE)
        order = self._everything[["attribute", "subgroup"]].drop_duplicates().reset_index(drop=True).reset_index(names="place")
        placement = both.merge(order, on=["attribute", "subgroup"]).sort_values("place", kind="stable")
        return self.with_guarantee(placement.drop(columns="place"))

    @cached_property
    def gaps(self) -> pd.DataFrame:
        """Largest minus smallest subgroup (`evaluation.tables.subgroup_gaps`)."""
        return gap_rows(self._measured, self.by)

    @cached_property
    def costs(self) -> pd.DataFrame:
        """Private minus non-private, for everybody and each subgroup (`evaluation.tables.cost_of_privacy`)."""
        return cost_rows(self._measured, [EVERYBODY, *self.by], margin=self.margin)

    @cached_property
    def verdicts(self) -> pd.DataFrame:
        """Whether privacy cost a subgroup more than the others (`evaluation.tables.fairness_verdict`)."""
        return verdict_rows(self._measured, self.by, margin=self.margin, findings=self.findings)

    @cached_property
    def size_loss(self) -> pd.DataFrame:
        """Pearson's r of subgroup size and loss (`evaluation.tables.size_loss`)."""
        return size_loss_rows(self._measured, self.by)

    @cached_property
    def rates(self) -> pd.DataFrame:
        """Sensitivity, specificity and their kin at the operating point (`evaluation.tables.rates`)."""
        rows = [rate_rows(one) for one in self._rated]
        return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=list(RATE_COLUMNS))

    @cached_property
    def parity(self) -> pd.DataFrame:
        """Each subgroup's rates against the others' (`evaluation.tables.parity`)."""
        return parity_rows(self._rated, self.by)

    @cached_property
    def disparity(self) -> pd.DataFrame:
        """Demographic parity and equalised odds by attribute (`evaluation.tables.parity`)."""
        return disparity_rows(self._rated, self.by)

    @cached_property
    def roc(self) -> pd.DataFrame:
        """ROC curves (`evaluation.statistics.curves`)."""
        return roc_table(self.scores.test)

    @cached_property
    def reliability(self) -> pd.DataFrame:
        """Predicted against observed shares (`evaluation.statistics.curves`)."""
        return reliability_table(self.scores.test)

    def with_guarantee(self, table: pd.DataFrame) -> pd.DataFrame:
        """`table` with the delta and accountant of each row's recipe, unit and epsilon."""
        keys = ["recipe", "unit", "epsilon", *(["delta"] if "delta" in table.columns else [])]
        return table.merge(self.utility[GUARANTEE_COLUMNS].drop_duplicates(keys), on=keys, how="left")

    @cached_property
    def _everything(self) -> pd.DataFrame:
        return auroc_rows(self._measured, [EVERYBODY, *self.by])

    @cached_property
    def _measured(self) -> list[Measured]:
        return [measure_panel(panel, self.by) for panel in self.scores.test]

    @cached_property
    def _rated(self) -> list[Rated]:
        return rate_panels(self.scores.test, self.scores.validation, self.by, rule=self.rule)


def evaluation_tables(
    scored: pd.DataFrame,
    by: Sequence[str] = (),
    *,
    margin: float = DEFAULT_MARGIN,
    findings: Sequence[str] | None = None,
    rule: OperatingRule | None = None,
) -> EvaluationTables:
    """All tables of scored cases.

    Args:
        scored: scored cases, with their validation part (`cases.HELD_OUT`) where rates are wanted.
        by: attributes, as `cohort.groups.subgroups` takes them; an unknown one is a CohortError at the first table.
        margin: acceptable loss of AUROC, for costs and verdicts; lock it first (`evaluation.analysis_plan`).
        findings: the verdicts' family; None for all.
        rule: the operating point; None for Youden's.
    """
    return EvaluationTables(partial(_as_arrays, scored), by, margin=margin, findings=findings, rule=rule)


def _as_arrays(scored: pd.DataFrame) -> Scores:
    test, validation = (tuple(panels_of(scored, part)) for part in (Part.TEST, Part.VALIDATION))
    return Scores(test, validation, tuple(scored.attrs.get("damaged", ())), tuple(scored.attrs.get("superseded", ())))
