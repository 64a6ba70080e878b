"""`evaluate` and `reference`: tables of the trained models, and of published results."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import click
import pandas as pd

from dpmed_core.cohort.groups import subgroups
from dpmed_core.cohort.schema import Cohort
from dpmed_core.commands.cohort import names
from dpmed_core.commands.output import json_option, records, say, tell
from dpmed_core.commands.spent import spent_on
from dpmed_core.errors import CohortError
from dpmed_core.evaluation.analysis_plan import AnalysisPlan, Look, PlanRecord
from dpmed_core.evaluation.metrics.auroc import AUROC
from dpmed_core.evaluation.metrics.catalogue import OFFERED, metric_called
from dpmed_core.evaluation.metrics.metric import Metric
from dpmed_core.evaluation.metrics.predictive_values import predictive_values
from dpmed_core.evaluation.scores.findings import MACRO
from dpmed_core.evaluation.scores.load_scores import read_scores
from dpmed_core.evaluation.scores.operating_point import OperatingRule
from dpmed_core.evaluation.scores.scored_runs import splits_with_runs, starts_with_runs
from dpmed_core.evaluation.tables.all_tables import EvaluationTables, MetricTables
from dpmed_core.evaluation.tables.bootstrap import check_draws
from dpmed_core.evaluation.tables.over_splits import over_splits
from dpmed_core.evaluation.tables.published_results import pdac_gap_table, pdac_reference, pdac_table
from dpmed_core.installation import Installation
from dpmed_core.phrases import counted
from dpmed_core.reporting.provenance import planned_or_not
from dpmed_core.settings import load_settings
from dpmed_core.training.result import NEIGHBORING_RELATION

OF_METRIC = ("utility", "subgroups", "gaps", "means", "costs", "added", "size_loss", "unknowns")
"""Tables of the chosen metric."""
OF_ALL = ("rates", "practice", "practice_differences", "parity", "disparity", "calibration", "net_benefit")
"""Tables that do not depend on the chosen metric."""
ONLY_ASKED = ("predictive_values", "bootstrap", "bootstrap_costs")
"""Tables that are made where an option asks for them."""
MOST_ROWS = 200
"""Rows of a table that a terminal shows: tables with a row for each training run grow without bound."""
_ARM = ("recipe", "unit", "epsilon")
_SUBGROUP = ("attribute", "subgroup", "finding")
READABLE = {
    "means": (*_ARM, *_SUBGROUP, "n_seeds", "VALUE", "VALUE_low", "VALUE_high", "n_cases", "n_positive", "n_patients", "reason"),
    "costs": (*_ARM, "reference", *_SUBGROUP, "difference", "difference_low", "difference_high", "p_value", "verdict", "covers", "reason"),
    "added": (*_ARM, "reference", *_SUBGROUP, "difference", "difference_low", "difference_high", "p_value", "covers", "reason"),
    "gaps": (*_ARM, "seed", "attribute", "finding", "gap", "gap_low", "gap_high", "largest", "smallest", "reason"),
    "verdicts": (*_ARM, "reference", *_SUBGROUP, "excess", "excess_low", "excess_high", "p_adjusted", "verdict", "detectable", "reason"),
    "rates": (*_ARM, *_SUBGROUP, "threshold", "sensitivity", "specificity", "ppv", "npv", "accuracy", "reason"),
    "practice": (*_ARM, "thresholds", *_SUBGROUP, "missed_per_100", "false_alarms_per_100", "reason"),
    "predictive_values": (*_ARM, "prevalence", *_SUBGROUP, "ppv_at_prevalence", "npv_at_prevalence"),
    "unknowns": (*_ARM, *_SUBGROUP, "VALUE", "VALUE_if_positive", "VALUE_if_negative", "VALUE_if_members", "n_unknown_labels"),
    "bootstrap": (*_ARM, *_SUBGROUP, "auroc", "auroc_low", "auroc_high", "bootstrap_low", "bootstrap_high"),
    "bootstrap_costs": (
        *(*_ARM, "reference", *_SUBGROUP),
        *("difference", "difference_low", "difference_high", "bootstrap_low", "bootstrap_high"),
    ),
    "parity": (*_ARM, *_SUBGROUP, "paper_parity_difference", "parity_difference", "underdiagnosis_difference", "reason"),
}
"""What a terminal shows of each table, VALUE being the metric's column; `--json` gives all columns of all tables."""


@click.command()
@click.option("--cohort", "cohort_name", required=True)
@click.option("--recipe", help="Only this recipe's runs.")
@click.option(
    "--by", help="Attributes for subgroups, comma-separated: sex, age, age:quartiles, age:40/65, a co-morbidity, or two as sex*age."
)
@click.option("--margin", type=float, help="Loss that is still acceptable. Default: that of the analysis plan.")
@click.option("--findings", help="Findings that the fairness verdict is about, comma-separated. Default: those of the analysis plan.")
@click.option(
    "--operating-point", "point", help="youden, sensitivity=0.9 or specificity=0.9, on validation. Default: that of the analysis plan."
)
@click.option("--metric", "metric_name", default=AUROC.name, show_default=True, help=f"What is measured: {', '.join(OFFERED)}.")
@click.option("--prevalence", type=float, help="Predictive values where this share of the patients has the finding, e.g. 0.05.")
@click.option("--check-bootstrap", "n_draws", type=int, metavar="N", help="AUROC intervals by N bootstrap draws of patients beside ours.")
@json_option
def evaluate(
    cohort_name: str,
    recipe: str | None,
    by: str | None,
    margin: float | None,
    findings: str | None,
    point: str | None,
    metric_name: str,
    prevalence: float | None,
    n_draws: int | None,
    as_json: bool,
) -> None:
    """The trained models on held-out patients: AUROC or another metric, and what privacy costs which patients, with intervals.

    Overall and by subgroup, the gap between subgroups, paired costs of privacy, the fairness verdict, rates at an operating point. With
    --metric NAME the tables and costs are of that metric, by subgroup and with the interval of private minus non-private. What the
    analysis plan does not name is marked as exploratory.
    """
    installation = Installation.open()
    cohort = installation.cohorts.load(cohort_name)
    plans = installation.ledger.plan_record(cohort)
    attributes, judged = tuple(dict.fromkeys(names(by))), names(findings) or plans.plan.findings
    margin = plans.plan.margin if margin is None else margin
    _check(cohort, attributes, judged)
    rule, metric = OperatingRule.parse(point or plans.plan.operating_point), metric_called(metric_name)
    if prevalence is not None:
        predictive_values(prevalence)
    if n_draws is not None:
        check_draws(n_draws)
    chosen = AnalysisPlan.of(attributes, judged, margin)
    options = _Options(installation, cohort, recipe, attributes, margin, judged, rule, metric, chosen, plans, prevalence, n_draws)
    found = [_tables_of(options, start) for start in (None, *starts_with_runs(installation.runs, cohort, recipe=recipe))]
    # Tables with rows from a start are there only where something was trained from one.
    found = [one for one in found if one.start is None or not one.tables.is_empty]
    for one in found:
        _say_left_out(one.tables)
    spent = spent_on(installation, cohort)
    if not as_json:  # without the tables that only the document holds
        readable = "\n\n".join(filter(None, (_all_readable(one, options) for one in found)))
        nothing = f"No finished run on {cohort_name} yet: train some with `sweep`."
        say({}, f"{readable}\n\n{spent.sentence}" if readable else nothing, as_json=False)
        return
    look = Look(recipe=recipe, margin=margin, operating_point=point or plans.plan.operating_point, metric=metric.name)
    plan = _plan_fields(plans, chosen, look) if attributes else None
    # The key "family" is for scripts written for earlier versions.
    about = {"spent": spent.fields, "metric": metric.name, "operating_point": rule.sentence(), "analysis_plan": plan, "family": plan}
    left_out = {run_id: message for one in found for run_id, message in one.tables.left_out.items()}
    values: dict[str, list[dict[str, object]]] = {}
    for one in found:
        for name, rows in one.records(plans, look).items():
            values.setdefault(name, []).extend(rows)
    said = {"left_out": [{"run_id": run_id, "message": message} for run_id, message in left_out.items()]}
    say({**values, **said, **about}, "", as_json=True)


@dataclass(frozen=True, eq=False)
class _Options:
    """What `evaluate` was asked for."""

    installation: Installation
    cohort: Cohort
    recipe: str | None
    attributes: tuple[str, ...]
    margin: float
    judged: tuple[str, ...]
    rule: OperatingRule
    metric: Metric
    chosen: AnalysisPlan
    plans: PlanRecord
    prevalence: float | None
    n_draws: int | None


@dataclass(frozen=True, eq=False)
class _Found:
    """The tables of the runs from one public start; None: from scratch."""

    start: str | None
    tables: EvaluationTables
    of_metric: MetricTables
    made: Mapping[str, pd.DataFrame]

    def records(self, plans: PlanRecord, look: Look) -> dict[str, list[dict[str, object]]]:
        """The rows of all tables, each with its start and with whether it was planned."""
        every = {name: getattr(self.of_metric, name) for name in OF_METRIC} | {name: getattr(self.tables, name) for name in OF_ALL}
        every |= self.made
        return {name: records(table.assign(start=self.start)) for name, table in {**every, **_with_plan(every, plans, look)}.items()}


def _tables_of(options: _Options, start: str | None) -> _Found:
    """The tables of the runs from `start`."""
    runs, cohort, recipe = options.installation.runs, options.cohort, options.recipe
    read = partial(read_scores, runs, cohort, recipe=recipe, start=start)
    tables = EvaluationTables(read, options.attributes, margin=options.margin, findings=options.judged, rule=options.rule)
    of_metric = tables.of(options.metric)
    seeds = splits_with_runs(runs, cohort, recipe=recipe, start=start)
    made = {
        # With a row, and its reason, for what has no mean, whose counts of runs are unknown: Int64 keeps the others whole numbers.
        "means": of_metric.groups.astype(dict.fromkeys(("n_seeds", "n_distinct", "n_findings"), "Int64")),
        "verdicts": _verdicts(tables, options.chosen, options.plans),
        "splits": over_splits(
            lambda seed: read_scores(runs, cohort, recipe=recipe, split_seed=seed, start=start), seeds, margin=options.margin
        ),
        "guarantees": guarantees(tables),
        **_asked(tables, options.prevalence, options.n_draws),
    }
    return _Found(start, tables, of_metric, made)


def _all_readable(found: _Found, options: _Options) -> str:
    """The tables of the runs from one start, for a terminal."""
    readable = _readable(found.tables, found.of_metric, found.made, options.plans) + _over_splits_text(found.made["splits"])
    return f"from start {found.start}\n\n{readable}" if readable and found.start else readable


def _say_left_out(tables: EvaluationTables) -> None:
    """Name the runs that are left out, where progress goes."""
    for message in tables.left_out.values():
        tell(message)
    if tables.superseded:
        n_older = counted(len(tables.superseded), "run is", "runs are")
        tell(f"{n_older} by an older version of their recipe and left out.")


def _check(cohort: Cohort, attributes: Sequence[str], findings: Sequence[str]) -> None:
    """Refuse what the cohort does not have, before anything is read."""
    for attribute in attributes:
        subgroups(cohort.cases, attribute)
    for finding in findings:
        if finding not in (*cohort.findings, MACRO):
            raise CohortError(f"There is no finding {finding!r} in {cohort.name}: choose from {', '.join((*cohort.findings, MACRO))}.")


def _verdicts(tables: EvaluationTables, chosen: AnalysisPlan, plans: PlanRecord) -> pd.DataFrame:
    """The verdicts on what was chosen.

    What the plan names is judged together with all else that it names, though only a part may be asked for: otherwise asking for one group
    at a time would undo the adjustment. Anything else is judged by itself.
    """
    if not chosen.attributes or not (
        set(chosen.attributes) <= set(plans.plan.attributes) and set(chosen.findings) <= set(plans.plan.findings)
    ):
        return tables.verdicts
    planned = EvaluationTables(
        lambda: tables.scores,
        plans.plan.attributes,
        margin=chosen.margin,
        findings=plans.plan.findings,
        epsilons=None if plans.is_exploratory else plans.plan.epsilons,
    ).verdicts
    return planned[planned["attribute"].isin(chosen.attributes) & planned["finding"].isin(chosen.findings)].reset_index(drop=True)


def _with_plan(every: Mapping[str, pd.DataFrame], plans: PlanRecord, look: Look) -> dict[str, pd.DataFrame]:
    """The tables of results, each row with whether it was planned; `look` is what all of them show."""
    marked = {}
    for name in (*OF_METRIC, *OF_ALL, "verdicts", *ONLY_ASKED):
        if name in every:
            metric = look.metric if name in OF_METRIC else None
            own = replace(look, metric=metric, margin=look.margin if name in ("costs", "verdicts") else None)
            marked[name] = every[name].assign(analysis_plan=planned_or_not(every[name], plans, own))
    return marked


def _plan_fields(plans: PlanRecord, chosen: AnalysisPlan, look: Look) -> dict[str, object]:
    """What was chosen, and what the plan says of it; "locked_at" and "is_first" are for scripts written for earlier versions."""
    departures = [phrase for name in chosen.attributes for phrase in plans.plan.departures(Look(attribute=name))]
    departures += [phrase for name in chosen.findings for phrase in plans.plan.departures(Look(finding=name))]
    departures += plans.plan.departures(replace(look, metric=None))
    return {
        **{name: chosen.fields()[name] for name in ("attributes", "findings", "margin")},
        "planned": plans.plan.fields() if plans.written else None,
        "locked_at": plans.written[-1].at if plans.written else None,
        "is_first": not plans.is_exploratory and not departures,
        "departures": departures,
        "note": plans.sentence(),
    }


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


def _asked(tables: EvaluationTables, prevalence: float | None, n_draws: int | None) -> dict[str, pd.DataFrame]:
    """The tables that are made only where they are asked for."""
    asked = {} if prevalence is None else {"predictive_values": tables.predictive_values(prevalence)}
    if n_draws is not None:
        checked = tables.bootstrap(n_draws)
        asked |= {"bootstrap": checked["means"], "bootstrap_costs": checked["costs"]}
    return asked


def _readable(tables: EvaluationTables, of_metric: MetricTables, made: Mapping[str, pd.DataFrame], plans: PlanRecord) -> str:
    """The most important tables, for a terminal."""
    stated = guarantees(tables)
    parts = [f"privacy\n{stated.to_string(index=False)}"] if len(stated) else []
    for name, columns in READABLE.items():
        if name not in (*OF_METRIC, *OF_ALL, *made):
            continue
        table: pd.DataFrame = made[name] if name in made else getattr(of_metric if name in OF_METRIC else tables, name)
        if len(table):
            table = table.assign(epsilon=[f"{epsilon:g}" if pd.notna(epsilon) else "none" for epsilon in table["epsilon"]])
            note = f"\n{plans.sentence()}" if name == "verdicts" else ""
            shown = [column.replace("VALUE", of_metric.metric.name) for column in columns]
            written = table[shown].head(MOST_ROWS).to_string(index=False, float_format=lambda value: f"{value:.3f}")
            more = f"\n{len(table) - MOST_ROWS:,} further rows of {name}: --json gives all" if len(table) > MOST_ROWS else ""
            parts.append(f"{name}{note}\n{written}{more}")
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
