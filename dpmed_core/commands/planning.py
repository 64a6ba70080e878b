"""`plan`: what a cohort can tell, before any budget is spent on its patients."""

import click
import pandas as pd

from dpmed_core.cohort.display_names import sentence_start
from dpmed_core.cohort.split import DEFAULT_SPLIT_SEED, assign_parts
from dpmed_core.commands.cohort import names
from dpmed_core.commands.output import json_option, records, say
from dpmed_core.commands.preflight import tell_preflight
from dpmed_core.commands.scale import say_scale
from dpmed_core.commands.training import delta_option, recipe_option, unit_option
from dpmed_core.evaluation.planning.cohort_plan import PlanRequest, plan_rows
from dpmed_core.evaluation.planning.plan_sentences import accountant_of, plan_sentence, splits_sentence
from dpmed_core.evaluation.scores.grouping import EVERYBODY
from dpmed_core.evaluation.tables.cost_of_privacy import DEFAULT_MARGIN
from dpmed_core.installation import Installation
from dpmed_core.phrases import delta_text
from dpmed_core.runs.plan import n_train_units, parse_epsilons, plan_runs
from dpmed_core.training.spec import PrivacyUnit

READABLE = {
    "finding": "finding",
    "attribute": "attribute",
    "subgroup": "subgroup",
    "epsilon": "epsilon",
    "n_positive": "positive",
    "n_patients": "patients",
    "effective_patients": "effective",
    "detectable_loss": "detectable",
    "detectable_extra_loss": "extra",
    "expected": "expected (90 %)",
    "trainings_needed": "trainings",
    "patients_needed": "patients needed",
}
"""Columns of the printed table, and their headings."""


@click.command()
@click.option("--cohort", "cohort_name")
@recipe_option
@click.option("--epsilons", help="Privacy budgets, comma-separated.")
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(1, 100), help="Training runs of each budget.")
@click.option("--by", help="Attributes for subgroups, comma-separated: sex, age, age:quartiles, a co-morbidity, or two as sex*age.")
@delta_option
@unit_option
@click.option("--margin", default=DEFAULT_MARGIN, show_default=True, help="Loss of AUROC that should be found.")
@click.option("--expected-auroc", type=float, help="AUROC to expect without privacy; default: what public proxies reached.")
@click.option("--at", metavar="NUMBERxPIXELS", help="Instead of a cohort: hours, memory and disk for so many images of this size.")
@json_option
def plan(
    cohort_name: str | None,
    recipe: str,
    epsilons: str | None,
    seeds: int,
    by: str | None,
    delta: float | None,
    unit: str,
    margin: float,
    expected_auroc: float | None,
    at: str | None,
    as_json: bool,
) -> None:
    """What a cohort can tell before any budget is spent: what it can judge, which losses it can find, and which to expect.

    Nothing is trained, written or spent. Labels of training patients are not read. With --at: how long each recipe would take on a CPU and
    on GPUs, from rates that were measured.
    """
    if at is not None:
        say_scale(at, as_json=as_json)
        return
    for name, value in (("--cohort", cohort_name), ("--epsilons", epsilons)):
        if value is None:
            raise click.UsageError(f"Missing option '{name}'.")
    assert cohort_name is not None and epsilons is not None
    installation = Installation.open()
    cohort = installation.cohorts.load(cohort_name)
    chosen = PrivacyUnit(unit)
    # What `sweep` would refuse is refused here, in the same words.
    specs = plan_runs(
        cohort,
        key=installation.key,
        recipe=recipe,
        epsilons=parse_epsilons(epsilons),
        n_seeds=1,
        delta=delta,
        unit=chosen,
        non_private=False,
    )
    targets = tuple(spec.privacy for spec in specs if spec.privacy)
    request = PlanRequest(recipe, chosen, targets, seeds, tuple(dict.fromkeys(names(by))), margin, expected_auroc)
    split = assign_parts(cohort, seed=DEFAULT_SPLIT_SEED, key=installation.key)
    tell_preflight(installation, cohort, specs)
    rows = plan_rows(cohort, split, request, n_units=n_train_units(cohort, key=installation.key, unit=chosen))
    say(records(rows), _readable(rows, cohort.findings), as_json=as_json)


def _readable(rows: pd.DataFrame, findings: tuple[str, ...]) -> str:
    """The table, why values are missing, what its columns mean, and the plan in a sentence."""
    first, comparisons = rows.iloc[0], int(rows["comparisons"].max())
    judged = rows[rows["judgeable"]]
    shown = judged.assign(
        expected=[_range(*numbers) for numbers in judged[["expected_loss", "expected_low", "expected_high"]].itertuples(index=False)],
        effective_patients=[f"{value:.1f}" for value in judged["effective_patients"]],
        **{name: [_number(value, ".3f") for value in judged[name]] for name in ("detectable_loss", "detectable_extra_loss")},
        **{name: [_number(value, ".0f") for value in judged[name]] for name in ("trainings_needed", "patients_needed")},
    )
    table = [shown[list(READABLE)].rename(columns=READABLE).to_string(index=False), ""] if len(shown) else []
    notes = [
        f"Recipe {first['recipe']}, {int(first['n_trainings'])} trainings of each budget; ε is planned at δ = {delta_text(first['delta'])} "
        f"for each {first['unit']} ({accountant_of(str(first['recipe']))}).",
        "detectable: the smallest loss of AUROC that would be found with a probability of 80 %; extra: the same of a loss beyond that of "
        f"all other patients (one-sided level 5 %, shared out over up to {comparisons} comparisons).",
        f"trainings, patients needed: until a loss of {first['margin']:g} would be found, in subgroups an extra loss; patients of the "
        "whole cohort, training included.",
        plan_sentence(rows, findings),
        splits_sentence(rows),
    ]
    return "\n".join([*table, *_missing(rows), *filter(None, notes)])


def _missing(rows: pd.DataFrame) -> list[str]:
    """Why values are missing: each reason once, with the findings and groups that it is about."""
    about: dict[str, dict[str, None]] = {}
    for row in rows.to_dict("records"):
        place = str(row["finding"]) if row["attribute"] == EVERYBODY else f"{row['finding']}, {row['attribute']} {row['subgroup']}"
        for name in ("reason", "extra_reason", "expected_reason", "needed_reason", "remark"):
            if row[name]:
                about.setdefault(str(row[name]), {})[place] = None
    return [f"{sentence_start(reason)}: {'; '.join(places)}." for reason, places in about.items()]


def _number(value: float, form: str) -> str:
    return "" if pd.isna(value) else format(value, form)


def _range(loss: float, low: float, high: float) -> str:
    return "" if pd.isna(loss) else f"{loss:z.3f} ({low:z.3f} to {high:z.3f})"  # z: never "-0.000"
