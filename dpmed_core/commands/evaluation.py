"""`evaluate` and `reference`: tables of what was trained, and of what was published."""

from collections.abc import Sequence

import click
import pandas as pd

from dpmed_core.cohort.groups import subgroups
from dpmed_core.cohort.schema import Cohort
from dpmed_core.commands.cohort import names
from dpmed_core.commands.output import json_option, records, say
from dpmed_core.errors import CohortError
from dpmed_core.evaluation.analysis_plan import AnalysisPlan, AnalysisPlans, Lock
from dpmed_core.evaluation.scores.operating_point import OperatingRule
from dpmed_core.evaluation.scores.scored_cases import HELD_OUT, scored_cases
from dpmed_core.evaluation.statistics.auroc_panel import MACRO
from dpmed_core.evaluation.statistics.calibration import calibration_table
from dpmed_core.evaluation.tables.all_tables import EvaluationTables, evaluation_tables
from dpmed_core.evaluation.tables.cost_of_privacy import DEFAULT_MARGIN
from dpmed_core.evaluation.tables.decision_curve import benefit_table
from dpmed_core.evaluation.tables.published_results import pdac_gap_table, pdac_reference, pdac_table
from dpmed_core.installation import Installation
from dpmed_core.phrases import counted
from dpmed_core.settings import load_settings
from dpmed_core.training.result import NEIGHBORING_RELATION

TABLES = ("utility", "subgroups", "gaps", "means", "costs", "verdicts", "size_loss", "rates", "parity", "disparity")
_ARM = ("recipe", "unit", "epsilon")
_PLACE = ("attribute", "subgroup", "finding")
READABLE = {
    "means": (*_ARM, *_PLACE, "n_seeds", "auroc", "auroc_low", "auroc_high", "n_cases", "n_positive", "n_patients"),
    "costs": (*_ARM, "reference", *_PLACE, "difference", "difference_low", "difference_high", "p_value", "verdict", "covers", "reason"),
    "gaps": (*_ARM, "seed", "attribute", "finding", "gap", "gap_low", "gap_high", "largest", "smallest", "reason"),
    "verdicts": (*_ARM, "reference", *_PLACE, "excess", "excess_low", "excess_high", "p_adjusted", "verdict", "detectable", "reason"),
    "rates": (*_ARM, *_PLACE, "threshold", "sensitivity", "specificity", "ppv", "npv", "accuracy", "reason"),
    "parity": (*_ARM, *_PLACE, "paper_parity_difference", "parity_difference", "underdiagnosis_difference", "reason"),
}
"""What a terminal shows of each table; `--json` gives all columns of all tables."""


@click.command()
@click.option("--cohort", "cohort_name", required=True)
@click.option("--recipe", help="Only this recipe's runs.")
@click.option(
    "--by", help="Attributes for subgroups, comma-separated: sex, age, age:quartiles, age:40/65, a co-morbidity, or two as sex*age."
)
@click.option("--margin", default=DEFAULT_MARGIN, show_default=True, help="Loss of AUROC that is still acceptable.")
@click.option("--findings", help="Findings that the fairness verdict is about, comma-separated; default all.")
@click.option(
    "--operating-point", "point", default="youden", show_default=True, help="youden, sensitivity=0.9 or specificity=0.9, on validation."
)
@json_option
def evaluate(cohort_name: str, recipe: str | None, by: str | None, margin: float, findings: str | None, point: str, as_json: bool) -> None:
    """What was trained, judged on held-out patients: AUROC, what privacy costs and whom, with intervals.

    Overall and by subgroup, the gap between subgroups, paired costs of privacy, the fairness verdict, rates at an operating point. The
    subgroups, findings and margin of the first look are locked; later looks under another choice say so.
    """
    installation = Installation.open()
    cohort = installation.cohorts.load(cohort_name)
    attributes, judged = tuple(dict.fromkeys(names(by))), names(findings) or cohort.findings
    _check(cohort, attributes, judged)
    rule = OperatingRule.parse(point)
    lock = _lock(installation, cohort, AnalysisPlan.of(attributes, judged, margin)) if attributes else None
    scored = scored_cases(installation.runs, cohort, recipe=recipe, parts=HELD_OUT)
    for run_id in scored.attrs.get("damaged", ()):
        click.echo(f"Run {run_id} is damaged and left out: train it again with `runs retry {run_id}`.", err=True)
    if superseded := scored.attrs.get("superseded"):
        click.echo(f"{counted(len(superseded), 'run is', 'runs are')} by an older version of their recipe and left out.", err=True)
    tables = evaluation_tables(scored, attributes, margin=margin, findings=judged, rule=rule)
    document: dict[str, object] = {name: records(getattr(tables, name)) for name in TABLES}
    document |= {"calibration": records(calibration_table(scored, attributes)), "net_benefit": records(benefit_table(scored))}
    document["guarantees"] = records(guarantees(tables.utility))
    document |= {"operating_point": rule.sentence(), "family": _family_fields(lock)}
    say(document, _readable(tables, lock) or f"No finished run on {cohort_name} yet: ask for some with `sweep`.", as_json=as_json)


def _check(cohort: Cohort, attributes: Sequence[str], findings: Sequence[str]) -> None:
    """Refuse what the cohort does not have, before anything is locked."""
    for attribute in attributes:
        subgroups(cohort.cases, attribute)
    for finding in findings:
        if finding not in (*cohort.findings, MACRO):
            raise CohortError(f"There is no finding {finding!r} in {cohort.name}: choose from {', '.join((*cohort.findings, MACRO))}.")


def _lock(installation: Installation, cohort: Cohort, family: AnalysisPlan) -> Lock:
    return AnalysisPlans(installation.settings.analysis_plans_dir, installation.key).look(cohort, family)


def _family_fields(lock: Lock | None) -> dict[str, object] | None:
    if lock is None:
        return None
    return {**lock.family.fields(), "locked_at": lock.locked_at, "is_first": lock.is_first, "note": lock.sentence()}


def guarantees(utility: pd.DataFrame) -> pd.DataFrame:
    """What each epsilon in the other tables means: its delta, unit, accountant and neighbouring relation."""
    columns = ["recipe", "unit", "epsilon", "delta", "accountant"]
    private = utility[utility["epsilon"].notna()].drop_duplicates(columns)
    return private[columns].assign(neighboring_relation=NEIGHBORING_RELATION)


def _readable(tables: EvaluationTables, lock: Lock | None) -> str:
    """The tables that are read most, for a terminal."""
    promised = guarantees(tables.utility)
    parts = [f"privacy\n{promised.to_string(index=False)}"] if len(promised) else []
    for name, columns in READABLE.items():
        table: pd.DataFrame = getattr(tables, name)
        if len(table):
            table = table.assign(epsilon=[f"{epsilon:g}" if pd.notna(epsilon) else "none" for epsilon in table["epsilon"]])
            note = f"\n{lock.sentence()}" if name == "verdicts" and lock else ""
            parts.append(f"{name}{note}\n{table[list(columns)].to_string(index=False, float_format=lambda value: f'{value:.3f}')}")
    return "\n\n".join(parts)


@click.command()
@click.argument("name", type=click.Choice(["pdac"]))
@json_option
def reference(name: str, as_json: bool) -> None:
    """Published figures (PDAC: the paper's table 1) with counts, and which gaps are more than sampling alone gives."""
    del name
    published = pdac_reference(load_settings().reference_dir)
    aurocs, gaps = pdac_table(published), pdac_gap_table(published)
    document = {"aurocs": records(aurocs), "gaps": records(gaps), "source": published.source, "note": published.note}
    tables = (table.to_string(index=False, float_format=lambda value: f"{value:.4f}") for table in (aurocs, gaps))
    say(document, "\n\n".join((*tables, f"{published.source}\n{published.note}")), as_json=as_json)
