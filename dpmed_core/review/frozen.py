"""What a review is about, as it was when the review was opened: enough to show later what was looked at, and whether it is still so.

Nothing leaves the house by it, and nothing in it is about training patients without noise but what a person decides to write: counts are of
held-out patients, and of training units their public number. Its numbers about held-out patients, and of models without privacy, have no
guarantee; whoever hands it out records that as a release (`privacy.ledger.release`), as of a figure.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import pandas as pd

from dpmed_core.cohort.schema import Cohort
from dpmed_core.cohort.split import DEFAULT_SPLIT_SEED, assign_parts
from dpmed_core.cohort.summary import HELD_OUT, counts_table
from dpmed_core.errors import LedgerError, ReviewError
from dpmed_core.evaluation.analysis_plan import PlanRecord
from dpmed_core.evaluation.scores.kept_arrays import code_version
from dpmed_core.evaluation.scores.load_scores import read_scores
from dpmed_core.evaluation.scores.operating_point import OperatingRule
from dpmed_core.evaluation.tables.all_tables import EvaluationTables
from dpmed_core.privacy.ledger.chain import canonical
from dpmed_core.privacy.ledger.ledger import Ledger
from dpmed_core.privacy.ledger.release import charge_of
from dpmed_core.privacy.total_sentence import total_sentence
from dpmed_core.reporting.provenance import NOT_COVERED
from dpmed_core.review.frozen_tables import digest_of_table, frozen_tables
from dpmed_core.runs.results import checksums
from dpmed_core.runs.store import RunStore
from dpmed_core.settings import own_version
from dpmed_core.training.result import NEIGHBORING_RELATION
from dpmed_core.training.spec import PrivacyUnit

FORMAT = 2
"""1 held no sample rate, without which the odds of an attacker on sampled steps do not follow."""
CANDIDATE, REFERENCE = "candidate", "reference"


@dataclass(frozen=True)
class Candidate:
    """Which model a review is about.

    Attributes:
        epsilon: the budget that was asked for.
        recipe: with an added encoder, its variant; None for the plan's, or the only one.
        unit: of privacy.
        delta: where a budget was trained at several; None for the smallest.
        start: the public start that the runs begin at; None from scratch.
    """

    epsilon: float
    recipe: str | None = None
    unit: PrivacyUnit = PrivacyUnit.PATIENT
    delta: float | None = None
    start: str | None = None


def freeze(ledger: Ledger, cohort: Cohort, candidate: Candidate) -> tuple[dict[str, Any], dict[str, Any]]:
    """(what is reviewed; the rows of its tables), as plain values.

    Args:
        ledger: with the runs and cohorts of the installation.
        cohort: whose patients.
        candidate: the private model.

    Raises:
        ReviewError: the candidate, or a reference beside it, was not trained.
    """
    plans = ledger.plan_record(cohort)
    tables = tables_for(ledger.runs, cohort, plans, start=candidate.start, delta=candidate.delta)
    recipe = candidate.recipe or _recipe(tables.runs, plans)
    chosen = _chosen(tables.runs, cohort, candidate, recipe)
    rows = frozen_tables(tables, recipe=recipe, unit=candidate.unit.value)
    head = ledger.chain.head()
    frozen = {
        "format": FORMAT,
        "fingerprint": cohort.fingerprint,
        "cohort": about_cohort(ledger, cohort),
        "candidate": _about_candidate(ledger, chosen, recipe),
        "runs": _about_runs(ledger.runs, chosen),
        "plan": about_plan(plans),
        "tables": {name: {"sha256": digest_of_table(table), "n_rows": len(table["rows"])} for name, table in rows.items()},
        "left_out": dict(tables.left_out),
        "ledger": {"seq": head.seq if head else 0, "seal": head.digest if head else "", **_spent(ledger, cohort)},
        "program": {"version": own_version(), "code": code_version()},
        "not_covered": NOT_COVERED,
    }
    return frozen, rows


def tables_for(runs: RunStore, cohort: Cohort, plans: PlanRecord, *, start: str | None, delta: float | None) -> EvaluationTables:
    """The tables that pages show of `cohort` by its analysis plan."""
    plan = plans.plan
    return EvaluationTables(
        lambda: read_scores(runs, cohort, start=start).at_one_delta(delta),
        plan.attributes,
        margin=plan.margin,
        findings=plan.findings,
        epsilons=None if plans.is_exploratory else plan.epsilons,
        rule=OperatingRule.parse(plan.operating_point),
    )


def about_plan(plans: PlanRecord) -> dict[str, Any]:
    """The analysis plan in force, with its digest and what a reader must know of it."""
    last = plans.written[-1] if plans.written else None
    fields = plans.plan.fields()
    return {
        "digest": sha256(canonical(fields).encode()).hexdigest(),
        "fields": fields,
        "n_written": len(plans.written),
        "seal": last.seal if last else "",
        "is_exploratory": plans.is_exploratory,
        "note": plans.sentence(),
    }


def _recipe(runs: pd.DataFrame, plans: PlanRecord) -> str:
    """The recipe of the plan, where it has private runs, or else the only one that has.

    Raises:
        ReviewError: several have, or none.
    """
    trained = sorted(runs[runs["epsilon"].notna()]["recipe"].unique())
    if plans.plan.recipe in trained:
        return str(plans.plan.recipe)
    if not trained:
        raise ReviewError("No private model of this cohort is trained yet: train some with `sweep`.")
    if len(trained) > 1:
        raise ReviewError(f"Several recipes were trained: say which is reviewed, with --recipe {' or '.join(trained)}.")
    return str(trained[0])


def _chosen(runs: pd.DataFrame, cohort: Cohort, candidate: Candidate, recipe: str) -> pd.DataFrame:
    """The finished runs of the candidate and of its reference, with which of them each is, `is_candidate`.

    Raises:
        ReviewError: one of them has none.
    """
    of_recipe = runs[(runs["recipe"] == recipe) & (runs["unit"] == candidate.unit.value)]
    is_candidate = (of_recipe["epsilon"] - candidate.epsilon).abs() < 1e-12
    if not is_candidate.any():
        budgets = ", ".join(f"{epsilon:g}" for epsilon in sorted(of_recipe["epsilon"].dropna().unique())) or "none"
        raise ReviewError(
            f"No finished run of {cohort.name} by recipe {recipe} with the unit {candidate.unit.value} has ε = {candidate.epsilon:g}: "
            f"trained are {budgets}."
        )
    if of_recipe["epsilon"].notna().all():
        raise ReviewError(f"Recipe {recipe} has no finished reference without privacy: train one with `train --non-private`.")
    return of_recipe[is_candidate | of_recipe["epsilon"].isna()].assign(is_candidate=is_candidate)


def about_cohort(ledger: Ledger, cohort: Cohort) -> dict[str, Any]:
    """What is public of a cohort, and counts of its held-out patients."""
    split = assign_parts(cohort, seed=DEFAULT_SPLIT_SEED, key=ledger.runs.key)
    counts = counts_table(cohort, split)
    held_out = counts[(counts["attribute"] == "all") & counts["part"].isin(HELD_OUT)]
    return {
        "name": cohort.name,
        "modality": cohort.modality.value,
        "synthetic": cohort.synthetic,
        "source": cohort.source,
        "patients_known": cohort.patients_known,
        "findings": list(cohort.findings),
        "comorbidities": list(cohort.comorbidities),
        "split_of_source": split.seed is None,
        "held_out": [
            {"part": part, "n_cases": n_cases, "n_patients": n_patients}
            for part, n_cases, n_patients in zip(*(held_out[name].tolist() for name in ("part", "n_cases", "n_patients")), strict=True)
        ],
    }


def _about_candidate(ledger: Ledger, chosen: pd.DataFrame, recipe: str) -> dict[str, Any]:
    """The candidate with its guarantee: what one of its models spends, with unit, delta, accountant and neighbours, and its release."""
    own = chosen[chosen["is_candidate"]]
    results = [ledger.runs.result(run_id) for run_id in own["run_id"]]
    known = [result.guarantee for result in results if result.guarantee is not None]
    if not known:
        raise ReviewError("The candidate's runs have no guarantee: they cannot be reviewed as private models.")
    worst = max(known, key=lambda guarantee: guarantee.epsilon)
    return {
        "recipe": recipe,
        "recipe_version": results[0].spec.recipe_version,
        "start": own["start"].iloc[0],
        "epsilon": float(own["epsilon"].iloc[0]),
        "epsilon_spent": worst.epsilon,
        "delta": worst.delta,
        "unit": worst.unit.value,
        "accountant": worst.accountant,
        "neighboring_relation": NEIGHBORING_RELATION,
        "check_epsilon": worst.check_epsilon,
        "check_accountant": worst.check_accountant,
        "noise_multiplier": worst.noise_multiplier,
        "sample_rate": worst.sample_rate,
        "steps": worst.steps,
        "n_units": worst.n_units,
        "n_trainings": len(own),
        "guarantee": worst.sentence(),
        "release": _release(ledger, str(own["run_id"].iloc[0])),
    }


def _release(ledger: Ledger, run_id: str) -> str:
    """What the release of a run would be charged, in words; empty where the ledger knows nothing of it."""
    try:
        return charge_of(ledger.book(), run_id).sentence()
    except LedgerError:
        return ""


def _about_runs(runs: RunStore, chosen: pd.DataFrame) -> list[dict[str, Any]]:
    """The runs with the digests of their files."""
    columns = (chosen[name].tolist() for name in ("run_id", "is_candidate", "seed"))
    return [
        {"run_id": run_id, "is": CANDIDATE if own else REFERENCE, "seed": seed, "files": checksums(runs.root / run_id)}
        for run_id, own, seed in zip(*columns, strict=True)
    ]


def _spent(ledger: Ledger, cohort: Cohort) -> dict[str, object]:
    """What was spent on the cohort's patients so far."""
    total = ledger.total(cohort)
    return {
        "epsilon": total.epsilon if math.isfinite(total.epsilon) else None,
        "delta": total.delta,
        "unit": PrivacyUnit.PATIENT.value,
        "accountant": total.accountant,
        "n_draws": total.n_draws,
        "n_non_private": total.n_non_private,
        "sentence": total_sentence(total),
    }


def run_ids(frozen: Mapping[str, Any], which: str | None = None) -> Sequence[str]:
    """The reviewed runs; those of the candidate or the reference alone where `which` says so."""
    return [run["run_id"] for run in frozen["runs"] if which in (None, run["is"])]
