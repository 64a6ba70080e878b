"""`evaluate` and `reference`: tables of the trained models, and of published results."""

from collections.abc import Sequence
from functools import partial

import click
import pandas as pd

from dpmed_core.cohort.groups import subgroups
from dpmed_core.cohort.schema import Cohort
from dpmed_core.commands.cohort import names
from dpmed_core.commands.output import json_option, records, say
from dpmed_core.commands.spent import spent_on
from dpmed_core.errors import CohortError
from dpmed_core.evaluation.analysis_plan import AnalysisPlan, AnalysisPlans, Lock
from dpmed_core.evaluation.metrics.auroc import AUROC
from dpmed_core.evaluation.metrics.catalogue import OFFERED, metric_called
from dpmed_core.evaluation.scores.findings import MACRO
from dpmed_core.evaluation.scores.load_scores import read_scores
from dpmed_core.evaluation.scores.operating_point import OperatingRule
from dpmed_core.evaluation.scores.scored_runs import splits_with_runs
from dpmed_core.evaluation.tables.all_tables import EvaluationTables, MetricTables
from dpmed_core.evaluation.tables.cost_of_privacy import DEFAULT_MARGIN
from dpmed_core.evaluation.tables.over_splits import over_splits
from dpmed_core.evaluation.tables.published_results import pdac_gap_table, pdac_reference, pdac_table
from dpmed_core.installation import Installation
from dpmed_core.phrases import counted
from dpmed_core.settings import load_settings
from dpmed_core.training.result import NEIGHBORING_RELATION

OF_METRIC = ("utility", "subgroups", "gaps", "means", "costs", "size_loss")
"""Tables of the chosen metric."""
OF_ALL = ("verdicts", "rates", "parity", "disparity", "calibration", "net_benefit")
"""Tables that do not depend on the chosen metric."""
_ARM = ("recipe", "unit", "epsilon")
_SUBGROUP = ("attribute", "subgroup", "finding")
READABLE = {
    "means": (*_ARM, *_SUBGROUP, "n_seeds", "VALUE", "VALUE_low", "VALUE_high", "n_cases", "n_positive", "n_patients"),
    "costs": (*_ARM, "reference", *_SUBGROUP, "difference", "difference_low", "difference_high", "p_value", "verdict", "covers", "reason"),
    "gaps": (*_ARM, "seed", "attribute", "finding", "gap", "gap_low", "gap_high", "largest", "smallest", "reason"),
    "verdicts": (*_ARM, "reference", *_SUBGROUP, "excess", "excess_low", "excess_high", "p_adjusted", "verdict", "detectable", "reason"),
    "rates": (*_ARM, *_SUBGROUP, "threshold", "sensitivity", "specificity", "ppv", "npv", "accuracy", "reason"),
    "parity": (*_ARM, *_SUBGROUP, "paper_parity_difference", "parity_difference", "underdiagnosis_difference", "reason"),
}
"""What a terminal shows of each table, VALUE being the metric's column; `--json` gives all columns of all tables."""


@click.command()
@click.option("--cohort", "cohort_name", required=True)
@click.option("--recipe", help="Only this recipe's runs.")
@click.option(
    "--by", help="Attributes for subgroups, comma-separated: sex, age, age:quartiles, age:40/65, a co-morbidity, or two as sex*age."
)
@click.option("--margin", default=DEFAULT_MARGIN, show_default=True, help="Loss that is still acceptable.")
@click.option("--findings", help="Findings that the fairness verdict is about, comma-separated; default all.")
@click.option(
    "--operating-point", "point", default="youden", show_default=True, help="youden, sensitivity=0.9 or specificity=0.9, on validation."
)
@click.option("--metric", "metric_name", default=AUROC.name, show_default=True, help=f"What is measured: {', '.join(OFFERED)}.")
@json_option
def evaluate(
    cohort_name: str,
    recipe: str | None,
    by: str | None,
    margin: float,
    findings: str | None,
    point: str,
    metric_name: str,
    as_json: bool,
) -> None:
    """The trained models on held-out patients: AUROC or another metric, and what privacy costs which patients, with intervals.

    Overall and by subgroup, the gap between subgroups, paired costs of privacy, the fairness verdict, rates at an operating point. The
    subgroups, findings and margin of the first evaluation are locked; a later one with another choice says so.
    """
    installation = Installation.open()
    cohort = installation.cohorts.load(cohort_name)
    attributes, judged = tuple(dict.fromkeys(names(by))), names(findings) or cohort.findings
    # Everything that may be wrong with the request is refused first: a plan is locked once and for all.
    _check(cohort, attributes, judged)
    rule, metric = OperatingRule.parse(point), metric_called(metric_name)
    lock = _lock(installation, cohort, AnalysisPlan.of(attributes, judged, margin)) if attributes else None
    tables = EvaluationTables(
        partial(read_scores, installation.runs, cohort, recipe=recipe), attributes, margin=margin, findings=judged, rule=rule
    )
    for run_id in tables.damaged:
        click.echo(f"Run {run_id} is damaged and left out: train it again with `runs retry {run_id}`.", err=True)
    if tables.superseded:
        n_older = counted(len(tables.superseded), "run is", "runs are")
        click.echo(f"{n_older} by an older version of their recipe and left out.", err=True)
    of_metric = tables.of(metric)
    document: dict[str, object] = {name: records(getattr(of_metric, name)) for name in OF_METRIC}
    document |= {name: records(getattr(tables, name)) for name in OF_ALL}
    document["guarantees"] = records(guarantees(tables))
    splits = over_splits(
        lambda seed: read_scores(installation.runs, cohort, recipe=recipe, split_seed=seed),
        splits_with_runs(installation.runs, cohort, recipe=recipe),
        margin=margin,
    )
    document["splits"] = records(splits)
    plan = _plan_fields(lock)
    # The key "family" is for scripts written for earlier versions.
    spent = spent_on(installation, cohort)
    document |= {"spent": spent.fields, "metric": metric.name, "operating_point": rule.sentence(), "analysis_plan": plan, "family": plan}
    readable = _readable(tables, of_metric, lock) + _over_splits_text(splits)
    nothing = f"No finished run on {cohort_name} yet: train some with `sweep`."
    say(document, f"{readable}\n\n{spent.sentence}" if readable else nothing, as_json=as_json)


def _check(cohort: Cohort, attributes: Sequence[str], findings: Sequence[str]) -> None:
    """Refuse what the cohort does not have, before anything is locked."""
    for attribute in attributes:
        subgroups(cohort.cases, attribute)
    for finding in findings:
        if finding not in (*cohort.findings, MACRO):
            raise CohortError(f"There is no finding {finding!r} in {cohort.name}: choose from {', '.join((*cohort.findings, MACRO))}.")


def _lock(installation: Installation, cohort: Cohort, plan: AnalysisPlan) -> Lock:
    return AnalysisPlans(installation.settings.analysis_plans_dir, installation.key).look(cohort, plan)


def _plan_fields(lock: Lock | None) -> dict[str, object] | None:
    if lock is None:
        return None
    return {**lock.plan.fields(), "locked_at": lock.locked_at, "is_first": lock.is_first, "note": lock.sentence()}


def _over_splits_text(splits: pd.DataFrame) -> str:
    """The table over random splits, where there are several."""
    if splits.empty:
        return ""
    budgets = {name: [f"{value:g}" for value in splits[name]] for name in ("epsilon", "delta")}
    shown = splits.drop(columns="margin").assign(**budgets).to_string(index=False, float_format=lambda value: f"{value:.3f}")
    return f"\n\nover random splits (corrected resampled t)\n{shown}"


def guarantees(tables: EvaluationTables) -> pd.DataFrame:
    """What each epsilon in the other tables means: its delta, unit, accountant and neighbouring relation."""
    return tables.guarantees.assign(neighboring_relation=NEIGHBORING_RELATION)


def _readable(tables: EvaluationTables, of_metric: MetricTables, lock: Lock | None) -> str:
    """The most important tables, for a terminal."""
    stated = guarantees(tables)
    parts = [f"privacy\n{stated.to_string(index=False)}"] if len(stated) else []
    for name, columns in READABLE.items():
        table: pd.DataFrame = getattr(of_metric if name in OF_METRIC else tables, name)
        if len(table):
            table = table.assign(epsilon=[f"{epsilon:g}" if pd.notna(epsilon) else "none" for epsilon in table["epsilon"]])
            note = f"\n{lock.sentence()}" if name == "verdicts" and lock else ""
            shown = [column.replace("VALUE", of_metric.metric.name) for column in columns]
            parts.append(f"{name}{note}\n{table[shown].to_string(index=False, float_format=lambda value: f'{value:.3f}')}")
    return "\n\n".join(parts)


@click.command()
@click.argument("name", type=click.Choice(["pdac"]))
@json_option
def reference(name: str, as_json: bool) -> None:
    """Published results (PDAC: the paper's table 1) with counts, and which gaps are larger than sampling alone explains."""
    del name
    published = pdac_reference(load_settings().reference_dir)
    aurocs, gaps = pdac_table(published), pdac_gap_table(published)
    document = {"aurocs": records(aurocs), "gaps": records(gaps), "source": published.source, "note": published.note}
    tables = (table.to_string(index=False, float_format=lambda value: f"{value:.4f}") for table in (aurocs, gaps))
    say(document, "\n\n".join((*tables, f"{published.source}\n{published.note}")), as_json=as_json)
