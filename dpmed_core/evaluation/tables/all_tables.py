"""Every table of an evaluation, from scores that are read once; each table is computed at most once, when it is first needed."""

from collections.abc import Callable, Sequence
from functools import cached_property
from uuid import uuid4

import pandas as pd

from dpmed_core.evaluation.metrics.auroc import AUROC
from dpmed_core.evaluation.metrics.measured import Measured, measure
from dpmed_core.evaluation.metrics.metric import Metric
from dpmed_core.evaluation.scores.grouping import EVERYBODY
from dpmed_core.evaluation.scores.load_scores import Scores
from dpmed_core.evaluation.scores.operating_point import OperatingRule
from dpmed_core.evaluation.scores.panel_design import PanelDesign, rows_of_runs
from dpmed_core.evaluation.scores.scored_runs import RUN_COLUMNS
from dpmed_core.evaluation.statistics.curves import reliability_table, roc_table
from dpmed_core.evaluation.tables.bootstrap import bootstrap_columns
from dpmed_core.evaluation.tables.calibration import calibration_rows
from dpmed_core.evaluation.tables.cost_of_privacy import DEFAULT_MARGIN, added_rows, cost_rows
from dpmed_core.evaluation.tables.decision_curve import benefit_rows
from dpmed_core.evaluation.tables.fairness_verdict import verdict_rows
from dpmed_core.evaluation.tables.kept_tables import table_once
from dpmed_core.evaluation.tables.parity import disparity_rows, parity_rows
from dpmed_core.evaluation.tables.practice import practice_differences, practice_rows, predictive_rows
from dpmed_core.evaluation.tables.rates import rate_rows
from dpmed_core.evaluation.tables.size_loss import size_loss_rows
from dpmed_core.evaluation.tables.subgroup_gaps import gap_rows
from dpmed_core.evaluation.tables.unknowns import unknown_rows
from dpmed_core.evaluation.tables.utility import COUNT_COLUMNS, mean_rows, run_columns, run_rows

GUARANTEE_COLUMNS = ["recipe", "unit", "epsilon", "delta", "accountant"]
PLACE = ["recipe", "unit", "epsilon", "delta", "finding", "attribute", "subgroup"]


class MetricTables:
    """The tables of one metric; the value's column has the metric's name.

    Attributes:
        metric: which.
        by: attributes of the subgroups.
        margin: acceptable loss, for costs.
    """

    def __init__(self, metric: Metric, designs: Sequence[PanelDesign], by: Sequence[str], margin: float) -> None:
        """The tables of `metric`, over panels with their subgroups."""
        self.metric, self.by, self.margin = metric, tuple(by), margin
        self._designs = designs

    @cached_property
    def utility(self) -> pd.DataFrame:
        """Each run and finding (`evaluation.tables.utility.run_rows`)."""
        everybody = self._every_run[self._every_run["attribute"] == EVERYBODY]
        return everybody[run_columns(self.metric)].reset_index(drop=True)

    @cached_property
    def subgroups(self) -> pd.DataFrame:
        """Each run, subgroup and finding."""
        return self._every_run[self._every_run["attribute"] != EVERYBODY].reset_index(drop=True)

    @cached_property
    def means(self) -> pd.DataFrame:
        """The means over an arm's runs, for everybody (attribute "all") and each subgroup (`evaluation.tables.utility.mean_rows`)."""
        return self._once("means", lambda: mean_rows(self.metric, self.measured, [EVERYBODY, *self.by]))

    @cached_property
    def overall(self) -> pd.DataFrame:
        """Everybody's rows of `means`."""
        return self.means[self.means["attribute"] == EVERYBODY].reset_index(drop=True)

    @cached_property
    def groups(self) -> pd.DataFrame:
        """`means` with their accountant, and what has no mean with its reason and counts; in the order of the subgroups."""
        without_value = self._every_run[self._every_run[self.metric.name].isna()].drop_duplicates(PLACE)
        counted = without_value[[*PLACE, *COUNT_COLUMNS, "reason"]]
        # The means come first, so that a reason is kept only where there is none of them.
        both = pd.concat([self.means.assign(reason=""), counted]).drop_duplicates(PLACE)
        order = self._every_run[["attribute", "subgroup"]].drop_duplicates().reset_index(drop=True).reset_index(names="order")
        placed = both.merge(order, on=["attribute", "subgroup"]).sort_values("order", kind="stable")
        return self.with_guarantee(placed.drop(columns="order"))

    @cached_property
    def gaps(self) -> pd.DataFrame:
        """Largest minus smallest subgroup (`evaluation.tables.subgroup_gaps`)."""
        return self._once("gaps", lambda: gap_rows(self.measured, self.by))

    @cached_property
    def costs(self) -> pd.DataFrame:
        """Private minus non-private, for everybody and each subgroup (`evaluation.tables.cost_of_privacy`)."""
        return self._once(
            f"costs {self.margin!r}", lambda: cost_rows(self.metric, self.measured, [EVERYBODY, *self.by], margin=self.margin)
        )

    @cached_property
    def added(self) -> pd.DataFrame:
        """Private minus the public start alone (`evaluation.tables.cost_of_privacy.added_rows`); empty for runs from scratch."""
        return added_rows(self.metric, self.measured, [EVERYBODY, *self.by], margin=self.margin)

    @cached_property
    def size_loss(self) -> pd.DataFrame:
        """Pearson's r of subgroup size and loss (`evaluation.tables.size_loss`)."""
        return size_loss_rows(self.measured, self.by)

    @cached_property
    def unknowns(self) -> pd.DataFrame:
        """What values would be if unknown labels and groups were known (`evaluation.tables.unknowns`)."""
        return unknown_rows(self.metric, self.measured, [EVERYBODY, *self.by])

    @cached_property
    def measured(self) -> list[Measured]:
        """The metric itself, by panel."""
        return [measure(self.metric, design) for design in self._designs]

    @cached_property
    def _every_run(self) -> pd.DataFrame:
        return self._once("runs", lambda: run_rows(self.metric, self.measured, [EVERYBODY, *self.by]))

    def _once(self, name: str, compute: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        """A table as it is kept; of a metric whose name does not say all that it depends on, computed."""
        if not self.metric.is_kept:
            return compute()
        return table_once(self._designs, f"{name} of {self.metric.name}", compute, with_threshold=self.metric.needs_threshold)

    def with_guarantee(self, table: pd.DataFrame) -> pd.DataFrame:
        """`table` with the delta and accountant of each row's recipe, unit and epsilon."""
        return with_guarantee(table, self.utility)


class EvaluationTables:
    """The tables, each with the columns that its module documents.

    Attributes:
        by: attributes of the subgroups.
        margin: acceptable loss, for costs and verdicts.
        findings: those of the analysis plan; None for all.
        epsilons: its budgets; None for all that were trained.
        rule: the operating point; None for Youden's.
        token: identifies this object as a cache key of what is made from its tables.
    """

    def __init__(
        self,
        read: Callable[[], Scores],
        by: Sequence[str] = (),
        *,
        margin: float = DEFAULT_MARGIN,
        findings: Sequence[str] | None = None,
        epsilons: Sequence[float] | None = None,
        rule: OperatingRule | None = None,
    ) -> None:
        """The tables of the scores that `read` gives; nothing is read before it is needed.

        An attribute that does not exist is a CohortError at the first table, not here.
        """
        self._read = read
        self.by, self.margin, self.findings, self.epsilons, self.rule = tuple(by), margin, findings, epsilons, rule
        self.token = uuid4().hex
        self._of: dict[str, MetricTables] = {}
        self._predictive: dict[float, pd.DataFrame] = {}

    def of(self, metric: Metric) -> MetricTables:
        """The tables of `metric`."""
        if metric.name not in self._of:
            self._of[metric.name] = MetricTables(metric, self._designs, self.by, self.margin)
        return self._of[metric.name]

    @property
    def auroc(self) -> MetricTables:
        """The tables of AUROC."""
        return self.of(AUROC)

    @cached_property
    def scores(self) -> Scores:
        """The scores that all tables are made from."""
        return self._read()

    @property
    def is_empty(self) -> bool:
        """Whether no run is finished."""
        return not self.scores.test

    @cached_property
    def runs(self) -> pd.DataFrame:
        """One row a finished run, with `RUN_COLUMNS`."""
        tables = [panel.runs for panel in self.scores.test]
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(RUN_COLUMNS))

    @property
    def start(self) -> str | None:
        """The name of the public start that the runs begin at; None for runs from scratch."""
        return None if self.runs.empty else self.runs["start"].iloc[0]

    @cached_property
    def guarantees(self) -> pd.DataFrame:
        """What each epsilon in the other tables means: its recipe, unit, delta and accountant."""
        return self.runs[self.runs["epsilon"].notna()].drop_duplicates(GUARANTEE_COLUMNS)[GUARANTEE_COLUMNS]

    @cached_property
    def damaged(self) -> list[str]:
        """Runs that are left out because their files fail their check."""
        return list(self.scores.damaged)

    @cached_property
    def left_out(self) -> dict[str, str]:
        """Runs that are left out because something of them cannot be read, by run_id, and what to do."""
        damaged = {
            run_id: f"Run {run_id} is damaged and left out: train it again with `runs retry {run_id}`." for run_id in self.scores.damaged
        }
        return damaged | {run.run_id: f"Left out: {run.message}" for run in self.scores.unreadable}

    @cached_property
    def superseded(self) -> list[str]:
        """Runs that are left out because a newer version of their recipe has runs."""
        return list(self.scores.superseded)

    @cached_property
    def deltas(self) -> tuple[float, ...]:
        """The deltas among which one was taken for each budget; empty where there was nothing to choose, or nothing was chosen."""
        return self.scores.deltas

    @cached_property
    def verdicts(self) -> pd.DataFrame:
        """Whether privacy cost a subgroup more AUROC than the others (`evaluation.tables.fairness_verdict`)."""
        findings = None if self.findings is None else tuple(self.findings)
        epsilons = None if self.epsilons is None else tuple(self.epsilons)
        return table_once(
            self._designs,
            f"verdicts {(self.margin, findings, epsilons)!r}",
            lambda: verdict_rows(self.auroc.measured, self.by, margin=self.margin, findings=findings, epsilons=epsilons),
        )

    @cached_property
    def rates(self) -> pd.DataFrame:
        """Sensitivity, specificity and related rates at the operating point (`evaluation.tables.rates`)."""
        return table_once(self._designs, "rates", lambda: rate_rows(self._designs), with_threshold=True)

    @cached_property
    def practice(self) -> pd.DataFrame:
        """Missed and false alarms per hundred, at own thresholds and at one for all (`evaluation.tables.practice`)."""
        return table_once(self._designs, "practice", lambda: practice_rows(self._designs), with_threshold=True)

    @cached_property
    def practice_differences(self) -> pd.DataFrame:
        """The same, private minus non-private (`evaluation.tables.practice`)."""
        return table_once(self._designs, "practice differences", lambda: practice_differences(self._designs), with_threshold=True)

    def predictive_values(self, prevalence: float) -> pd.DataFrame:
        """Predictive values at a chosen prevalence (`evaluation.tables.practice`).

        Raises:
            SpecError: the prevalence is not between 0 and 1.
        """
        if prevalence not in self._predictive:
            self._predictive[prevalence] = predictive_rows(self._designs, prevalence)
        return self._predictive[prevalence]

    @cached_property
    def parity(self) -> pd.DataFrame:
        """Each subgroup's rates against those of all others (`evaluation.tables.parity`)."""
        return table_once(self._designs, "parity", lambda: parity_rows(self._designs), with_threshold=True)

    @cached_property
    def disparity(self) -> pd.DataFrame:
        """Demographic parity and equalised odds by attribute (`evaluation.tables.parity`)."""
        return table_once(self._designs, "disparity", lambda: disparity_rows(self._designs), with_threshold=True)

    @cached_property
    def calibration(self) -> pd.DataFrame:
        """Slope, intercept, Brier score and expected calibration error (`evaluation.tables.calibration`)."""
        return table_once(self._designs, "calibration", lambda: calibration_rows(self._designs))

    @cached_property
    def net_benefit(self) -> pd.DataFrame:
        """Decision curves (`evaluation.tables.decision_curve`)."""
        # Designs without attributes: decision curves are drawn for all patients only, at 45 thresholds each.
        return benefit_rows([PanelDesign(panel) for panel in self.scores.test])

    @cached_property
    def roc(self) -> pd.DataFrame:
        """ROC curves (`evaluation.statistics.curves`)."""
        return roc_table(self.scores.test)  # not kept: of a large cohort it has millions of points

    @cached_property
    def reliability(self) -> pd.DataFrame:
        """Predicted against observed shares (`evaluation.statistics.curves`)."""
        return reliability_table(self.scores.test)

    def bootstrap(self, n_draws: int) -> dict[str, pd.DataFrame]:
        """Means and costs of AUROC with the ends of a bootstrap over patients beside their own (`evaluation.tables.bootstrap`).

        Raises:
            SpecError: too few or too many draws.
        """
        of_auroc = self.auroc
        return {name: bootstrap_columns(getattr(of_auroc, name), self._designs, n_draws) for name in ("means", "costs")}

    def with_guarantee(self, table: pd.DataFrame) -> pd.DataFrame:
        """`table` with the delta and accountant of each row's recipe, unit and epsilon."""
        return with_guarantee(table, self.runs)

    def compute_kept(self) -> None:
        """Compute what tables need of single runs, so that it is kept with them (`evaluation.scores.kept_arrays`)."""
        for name in ("rates", "practice", "parity", "calibration", "net_benefit"):
            getattr(self, name)
        _ = self.auroc.unknowns

    def compute_shown(self) -> None:
        """Compute the tables that pages show first, so that they are kept (`evaluation.tables.kept_tables`)."""
        for name in ("overall", "groups", "costs"):
            getattr(self.auroc, name)
        for name in ("practice", "practice_differences") if not self.by else ("verdicts", "parity", "disparity"):
            getattr(self, name)

    @cached_property
    def _designs(self) -> list[PanelDesign]:
        validation, rule = rows_of_runs(self.scores.validation), self.rule or OperatingRule()
        return [PanelDesign(panel, self.by, validation, rule) for panel in self.scores.test]


def with_guarantee(table: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """`table` with the delta and accountant that the `runs` of each row's recipe, unit and epsilon have."""
    # One delta for each recipe, unit and epsilon is taken where the table does not say which.
    keys = ["recipe", "unit", "epsilon", *(["delta"] if "delta" in table.columns else [])]
    return table.merge(runs[GUARANTEE_COLUMNS].drop_duplicates(keys), on=keys, how="left")
