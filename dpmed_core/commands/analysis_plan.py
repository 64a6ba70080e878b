"""`analysis-plan`: what is compared, written down before results exist."""

from dataclasses import replace
from typing import Any

import click

from dpmed_core.cohort.groups import subgroups
from dpmed_core.cohort.schema import Cohort
from dpmed_core.commands.cohort import names
from dpmed_core.commands.output import json_option, say
from dpmed_core.errors import CohortError, SpecError
from dpmed_core.evaluation.analysis_plan import AnalysisPlan, PlanRecord
from dpmed_core.evaluation.scores.arms import CONVENTIONAL, SAMPLED_ALIKE
from dpmed_core.evaluation.scores.findings import MACRO
from dpmed_core.evaluation.scores.operating_point import OperatingRule
from dpmed_core.evaluation.tables.cost_of_privacy import check_margin
from dpmed_core.installation import Installation
from dpmed_core.runs.plan import parse_epsilons
from dpmed_core.training.recipes.catalogue import RECIPES
from dpmed_core.training.spec import PrivacyUnit


@click.group("analysis-plan")
def analysis_plan() -> None:
    """What is compared: written when the first run is asked for, kept in the ledger; later changes are added to it."""


@analysis_plan.command("show")
@click.option("--cohort", "cohort_name", required=True)
@json_option
def show(cohort_name: str, as_json: bool) -> None:
    """The plan in force, and everything that was written before."""
    installation = Installation.open()
    _say(installation.ledger.plan_record(installation.cohorts.load(cohort_name)), as_json=as_json)


@analysis_plan.command("write")
@click.option("--cohort", "cohort_name", required=True)
@click.option("--by", help="Groups by these attributes, comma-separated.")
@click.option("--findings", help="Findings that are judged, comma-separated.")
@click.option("--margin", type=float, help="Loss, and extra loss, of AUROC that is still acceptable.")
@click.option("--recipe", type=click.Choice(sorted(RECIPES)))
@click.option("--unit", type=click.Choice([u.value for u in PrivacyUnit]))
@click.option("--epsilons", help="Privacy budgets, comma-separated.")
@click.option("--seeds", type=click.IntRange(1, 100), help="Training runs of each budget.")
@click.option("--reference", type=click.Choice([SAMPLED_ALIKE, CONVENTIONAL]), help="The primary comparison.")
@click.option("--operating-point", "point", help="youden, sensitivity=0.9 or specificity=0.9.")
@click.option("--name", default="", help="Who decides.")
@click.option("--reason", default="", help="Why an earlier plan is changed.")
@json_option
def write(cohort_name: str, by: str | None, findings: str | None, point: str | None, as_json: bool, **options: Any) -> None:
    """Write the plan, or change it; what is not given stays as it is. A change needs a reason."""
    installation = Installation.open()
    cohort = installation.cohorts.load(cohort_name)
    plans = installation.ledger.plan_record(cohort)
    if plans.written and not options["reason"]:
        raise SpecError("Say why the plan is changed, with --reason: the reason is kept with it.")
    given = {key: options[key] for key in ("margin", "recipe", "unit", "reference") if options[key] is not None}
    if by:
        given["attributes"] = tuple(sorted(set(names(by))))
    if findings:
        given["findings"] = tuple(sorted(set(names(findings))))
    if options["epsilons"]:
        given["epsilons"] = tuple(sorted(set(parse_epsilons(options["epsilons"]))))
    if options["seeds"]:
        given["n_seeds"] = options["seeds"]
    if point:
        OperatingRule.parse(point)
        given["operating_point"] = point
    plan = replace(plans.plan, **given)
    _check(cohort, plan)
    installation.ledger.write_plan(cohort, plan, name=options["name"], reason=options["reason"])
    _say(installation.ledger.plan_record(cohort), as_json=as_json)


def _check(cohort: Cohort, plan: AnalysisPlan) -> None:
    """Refuse what the cohort does not have, before anything is written."""
    check_margin(plan.margin)
    for attribute in plan.attributes:
        subgroups(cohort.cases, attribute)
    if unknown := set(plan.findings) - {*cohort.findings, MACRO}:
        raise CohortError(f"There is no finding {sorted(unknown)[0]!r} in {cohort.name}: choose from {', '.join(cohort.findings)}.")


def _say(plans: PlanRecord, *, as_json: bool) -> None:
    document = {
        "plan": plans.plan.fields(),
        "exploratory": plans.is_exploratory,
        "note": plans.sentence(),
        "written": [
            {"plan": w.plan.fields(), "at": w.at, "after_results": w.after_results, "reason": w.reason, "seal": w.seal}
            for w in plans.written
        ],
    }
    lines = [f"{name.replace('_', ' ')}: {_text(value)}" for name, value in plans.plan.fields().items()]
    say(document, "\n".join([*lines, plans.sentence()]), as_json=as_json)


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(f"{v:g}" if isinstance(v, float) else str(v) for v in value) or "none"
    return "not stated" if value is None else str(value)
