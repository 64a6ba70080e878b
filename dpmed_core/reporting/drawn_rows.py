"""What each figure is drawn from, at every budget: a figure sees nothing else, and its CSV holds nothing else.

Numbers that estimate different things (a training run, a mean of several) are different parts, and say so in the CSV's column `estimand`.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from pandas.api.types import is_integer_dtype

from dpmed_core.cohort.groups import UNKNOWN
from dpmed_core.cohort.schema import Cohort
from dpmed_core.errors import ExportError
from dpmed_core.evaluation.metrics.auroc import AUROC
from dpmed_core.evaluation.scores.findings import MACRO
from dpmed_core.evaluation.scores.grouping import EVERYBODY
from dpmed_core.evaluation.tables.all_tables import EvaluationTables, MetricTables
from dpmed_core.evaluation.tables.decision_curve import mean_benefit
from dpmed_core.evaluation.tables.largest_loss import loss_of
from dpmed_core.evaluation.tables.published_results import pdac_reference, pdac_table
from dpmed_core.evaluation.tables.subgroup_gaps import mean_gaps
from dpmed_core.imaging.modality import Modality
from dpmed_core.reporting.choice import Choice

WORST = 2
"""So many findings that lose most are drawn beside the mean over findings."""


@dataclass(frozen=True)
class Part:
    """Rows whose numbers estimate the same.

    Attributes:
        estimand: what that is.
        rows: the table.
    """

    estimand: str
    rows: pd.DataFrame


Parts = dict[str, Part]
"""By the name under which the figure takes them."""


def as_table(parts: Parts, epsilon: float | None) -> pd.DataFrame:
    """The parts one under the other, with the column `estimand`; whole numbers stay whole where a part lacks them.

    Args:
        parts: of a figure.
        epsilon: the one budget that the figure shows, beside models without privacy; None where it shows all.
    """
    tables = [part.rows.assign(estimand=part.estimand) for part in parts.values()]
    if epsilon is not None:
        tables = [table[table["epsilon"].isna() | (table["epsilon"] == epsilon)] for table in tables]
    filled = [table for table in tables if len(table)] or tables[:1]
    columns = list(dict.fromkeys(column for table in filled for column in table.columns if column != "estimand"))
    whole = pd.concat([table.astype(object) for table in filled], ignore_index=True)[[*columns, "estimand"]].infer_objects()
    for column in columns:
        if all(is_integer_dtype(table[column]) for table in filled if column in table.columns):
            whole[column] = whole[column].astype("Int64")
    return whole


def of_metric(tables: EvaluationTables, choice: Choice) -> MetricTables:
    """The tables of the metric that was chosen."""
    return tables.of(choice.measured)


def everybody(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of all patients together."""
    return table[table["attribute"] == EVERYBODY]


def _of_reference(table: pd.DataFrame, choice: Choice) -> pd.DataFrame:
    return table[table["reference"] == choice.reference]


def _by_finding(choice: Choice) -> Choice:
    """The choice, over every finding where their mean was chosen: what has no mean has a panel or a row for each."""
    return choice.all_findings() if choice.finding == MACRO else choice


def _run_and_mean(choice: Choice) -> tuple[str, str]:
    phrase = choice.measured.phrase
    return f"{phrase} of one training run", f"mean {phrase} of the training runs"


def privacy_utility_parts(tables: EvaluationTables, choice: Choice, cohort: Cohort) -> Parts:
    """Training runs and means of all recipes trained with the chosen unit, so that they can be compared; published results where chosen."""
    of, every_recipe, (run, mean) = of_metric(tables, choice), replace(choice, recipe=None), _run_and_mean(choice)
    parts = {"utility": Part(run, every_recipe.rows(of.utility)), "means": Part(mean, every_recipe.rows(of.overall))}
    published = _published(cohort, choice)
    return parts if published is None else {**parts, "published": Part("published mean AUROC", published)}


def _published(cohort: Cohort, choice: Choice) -> pd.DataFrame | None:
    """The paper's results for all patients, where they were chosen.

    Raises:
        ExportError: the cohort is not of CT, or another metric than AUROC was chosen.
    """
    if choice.published is None:
        return None
    if cohort.modality is not Modality.CT:
        raise ExportError(f"The published results are of CT, and {cohort.name} holds radiographs: draw it without --published.")
    if choice.metric != AUROC.name:
        raise ExportError("The published results are AUROCs: draw another metric without --published.")
    return everybody(pdac_table(pdac_reference(choice.published)))


def findings_parts(tables: EvaluationTables, choice: Choice, cohort: Cohort) -> Parts:
    """The means of each finding, or why there is none."""
    rows = choice.all_findings().rows(everybody(of_metric(tables, choice).groups))
    return {"rows": Part(_run_and_mean(choice)[1], rows[rows["finding"].isin(cohort.findings)])}


def cost_parts(tables: EvaluationTables, choice: Choice, cohort: Cohort) -> Parts:
    """What privacy costs all patients together, against each reference."""
    del cohort
    # Costs name no accountant, which a figure must state with its epsilon.
    rows = everybody(choice.rows(tables.with_guarantee(of_metric(tables, choice).costs)))
    return {"costs": Part(f"{choice.measured.phrase} with privacy minus without, of the same images", rows)}


def roc_parts(tables: EvaluationTables, choice: Choice, cohort: Cohort) -> Parts:
    """The vertices of each training run's curve; one row with the reason where a finding is not estimable."""
    del cohort
    return {"curves": Part("ROC curve of one training run", _by_finding(choice).rows(tables.roc))}


def calibration_parts(tables: EvaluationTables, choice: Choice, cohort: Cohort) -> Parts:
    """The bins of the first training run of each arm: each run has bins of its own scores, so they cannot be averaged."""
    del cohort
    bins = _by_finding(choice).rows(tables.reliability)
    first = bins["seed"] == bins.groupby(["recipe", "unit", "epsilon", "delta"], dropna=False)["seed"].transform("min")
    return {"bins": Part("share of images with the finding at each score, first training run", bins[first])}


def decision_curve_parts(tables: EvaluationTables, choice: Choice, cohort: Cohort) -> Parts:
    """The curve of each training run, and their mean."""
    del cohort
    curves = _by_finding(choice).rows(tables.net_benefit)
    run, mean = "net benefit of one training run", "mean net benefit of the training runs"
    return {"curves": Part(run, curves), "means": Part(mean, mean_benefit(curves[curves["reason"] == ""]))}


def forest_parts(tables: EvaluationTables, choice: Choice, cohort: Cohort) -> Parts:
    """The means of all patients and each subgroup."""
    del cohort
    return {"rows": Part(_run_and_mean(choice)[1], choice.rows(of_metric(tables, choice).groups))}


def verdict_parts(tables: EvaluationTables, choice: Choice, cohort: Cohort) -> Parts:
    """The verdict on each subgroup, of each finding where their mean was chosen, which has none."""
    del cohort
    # The choice's rows first: fewer to merge.
    rows = tables.with_guarantee(_of_reference(_by_finding(choice).rows(tables.verdicts), choice))
    return {"rows": Part("loss of AUROC through privacy minus that of the other groups", rows)}


def gap_parts(tables: EvaluationTables, choice: Choice, cohort: Cohort) -> Parts:
    """The gap of each training run, and their mean."""
    del cohort
    gaps, phrase = tables.with_guarantee(choice.rows(of_metric(tables, choice).gaps)), choice.measured.phrase
    of_one = f"largest minus smallest {phrase} among groups, of one training run"
    return {"gaps": Part(of_one, gaps), "means": Part("mean of these gaps over the training runs", mean_gaps(gaps))}


def parity_parts(tables: EvaluationTables, choice: Choice, cohort: Cohort) -> Parts:
    """Both parity differences of each subgroup."""
    del cohort
    rows = tables.with_guarantee(choice.rows(tables.parity))
    return {"rows": Part("rate of the group minus that of all others, mean of the training runs", rows)}


def size_loss_parts(tables: EvaluationTables, choice: Choice, cohort: Cohort) -> Parts:
    """The loss of each subgroup of known value, and Pearson's r of sizes and losses."""
    del cohort
    of, phrase = of_metric(tables, choice), choice.measured.phrase
    costs, correlations = (_of_reference(choice.rows(table), choice) for table in (of.costs, of.size_loss))
    groups = costs[(costs["attribute"] != EVERYBODY) & (costs["subgroup"] != UNKNOWN)]
    return {
        "costs": Part(f"{phrase} with privacy minus without, of the same images", tables.with_guarantee(groups)),
        "correlations": Part("Pearson's r of the size and the loss of these groups", correlations),
    }


def mean_and_worst_parts(tables: EvaluationTables, choice: Choice, cohort: Cohort) -> Parts:
    """The mean over findings, and the findings that lose most at the chosen budget, or where none is chosen at the smallest."""
    of, findings = of_metric(tables, choice), choice.all_findings()
    rows = everybody(findings.rows(of.groups))
    rows = rows[rows[choice.measured.name].notna()]
    costs = everybody(findings.rows(_of_reference(of.costs, choice)))
    costs = costs[costs["finding"].isin(cohort.findings) & costs["difference"].notna()]
    named = {key: _worst(of_models, choice) for key, of_models in costs.groupby(["recipe", "unit"], sort=False)}
    worst = [
        finding in named.get((recipe, unit), ()) for recipe, unit, finding in rows[["recipe", "unit", "finding"]].itertuples(index=False)
    ]
    mean = _run_and_mean(choice)[1]
    return {
        "mean": Part(f"{mean}, mean over findings", rows[rows["finding"] == MACRO]),
        "worst": Part(f"{mean}, of a finding that loses most", rows[np.array(worst, dtype=bool)]),
    }


def _worst(costs: pd.DataFrame, choice: Choice) -> list[str]:
    """The findings of one recipe and unit that lose most; none where there is one, which is the mean."""
    epsilon = costs["epsilon"].min() if choice.epsilon is None else choice.epsilon
    at = costs[costs["epsilon"] == epsilon]
    if len(at) < 2:
        return []
    order = loss_of(at, choice.measured).sort_values(ascending=False, kind="stable").index
    return [str(finding) for finding in at.loc[order[:WORST], "finding"]]


def loss_map_parts(tables: EvaluationTables, choice: Choice, cohort: Cohort) -> Parts:
    """What privacy costs every group of known value in each finding, and in their mean where there are several."""
    findings = (MACRO, *cohort.findings) if len(cohort.findings) > 1 else cohort.findings
    costs = _of_reference(choice.all_findings().rows(of_metric(tables, choice).costs), choice)
    costs = costs[(costs["subgroup"] != UNKNOWN) & costs["finding"].isin(findings)]
    return {"costs": Part(f"{choice.measured.phrase} with privacy minus without, of the same images", tables.with_guarantee(costs))}


def verdict_map_parts(tables: EvaluationTables, choice: Choice, cohort: Cohort) -> Parts:
    """What privacy costs every group in each finding, or in the chosen one, in AUROC; and the verdicts of the analysis plan on them."""
    of_auroc = replace(choice, metric=AUROC.name)
    costs = loss_map_parts(tables, of_auroc, cohort)["costs"]
    verdicts = verdict_parts(tables, of_auroc, cohort)["rows"]
    one = choice.finding not in (None, MACRO)
    rows = costs.rows[costs.rows["finding"] == choice.finding] if one else costs.rows
    return {"costs": Part(costs.estimand, rows), "verdicts": verdicts}
