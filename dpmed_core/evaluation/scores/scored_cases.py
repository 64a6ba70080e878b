"""The one table behind every figure: each held-out case, finding and run, with its score and who the patient is."""

import math
from collections.abc import Collection
from typing import Any

import pandas as pd

from dpmed_core.cohort.schema import Cohort, Part
from dpmed_core.errors import DamagedRunError
from dpmed_core.runs.status import RunState, RunStatus
from dpmed_core.runs.store import RunStore

RUN_COLUMNS = ("run_id", "recipe", "epsilon", "epsilon_spent", "delta", "unit", "accountant", "seed")
"""Of the run: `epsilon` is the target, NaN where non-private; `epsilon_spent` is at most that; delta and accountant only where private."""
HELD_OUT = (Part.VALIDATION, Part.TEST)
CASE_SCORE_COLUMNS = ("case_id", "patient_id", "split", "finding", "label", "score")


def finished_runs(runs: RunStore, cohort: Cohort, *, recipe: str | None = None) -> list[RunStatus]:
    """The finished runs on the data of `cohort` that count together, in the order asked: those of each recipe's newest version.

    Trainings by two versions of a recipe are no replicates of one another; see `superseded_runs`.
    """
    finished = _all_finished(runs, cohort, recipe)
    newest = _newest_versions(finished)
    return [status for status in finished if status.spec.recipe_version == newest[status.spec.recipe]]


def superseded_runs(runs: RunStore, cohort: Cohort, *, recipe: str | None = None) -> list[RunStatus]:
    """The finished runs that do not count, because a newer version of their recipe has finished runs on the same data."""
    finished = _all_finished(runs, cohort, recipe)
    newest = _newest_versions(finished)
    return [status for status in finished if status.spec.recipe_version != newest[status.spec.recipe]]


def _all_finished(runs: RunStore, cohort: Cohort, recipe: str | None) -> list[RunStatus]:
    return [
        status
        for status in runs.statuses()
        if status.state == RunState.FINISHED
        and status.spec.cohort_fingerprint == cohort.fingerprint
        and recipe in (None, status.spec.recipe)
    ]


def _newest_versions(finished: list[RunStatus]) -> dict[str, int]:
    newest: dict[str, int] = {}
    for status in finished:
        newest[status.spec.recipe] = max(status.spec.recipe_version, newest.get(status.spec.recipe, 0))
    return newest


def scored_cases(runs: RunStore, cohort: Cohort, *, recipe: str | None = None, parts: Collection[Part] = (Part.TEST,)) -> pd.DataFrame:
    """Held-out cases with `RUN_COLUMNS`, `CASE_SCORE_COLUMNS`, age, sex and the co-morbidities.

    Runs whose files fail their check are left out; `attrs["damaged"]` lists them, `attrs["superseded"]` those of older versions.

    Args:
        runs: the run store.
        cohort: whose runs.
        recipe: only this recipe's.
        parts: test cases alone, or `HELD_OUT` for those of the validation part too, on which thresholds are chosen.
    """
    tables, damaged = [], []
    for status in finished_runs(runs, cohort, recipe=recipe):
        try:
            tables.append(_one_run(runs, status, parts))
        except DamagedRunError:
            damaged.append(status.run_id)
    who = cohort.cases[["case_id", "age", "sex", *cohort.comorbidities]]
    empty = pd.DataFrame(columns=[*RUN_COLUMNS, *CASE_SCORE_COLUMNS])
    scored = (pd.concat(tables, ignore_index=True) if tables else empty).merge(who, on="case_id", how="left", validate="many_to_one")
    scored.attrs["damaged"] = damaged
    scored.attrs["superseded"] = [status.run_id for status in superseded_runs(runs, cohort, recipe=recipe)]
    return scored


def run_facts(runs: RunStore, status: RunStatus) -> dict[str, Any]:
    """What every table says of a finished run: the values of `RUN_COLUMNS`.

    Raises:
        DamagedRunError: the run's files fail their check.
    """
    guarantee = runs.result(status.run_id).guarantee
    return {
        "run_id": status.run_id,
        "recipe": status.spec.recipe,
        "epsilon": status.spec.privacy.epsilon if status.spec.privacy else math.nan,
        "epsilon_spent": guarantee.epsilon if guarantee else math.nan,
        "delta": guarantee.delta if guarantee else math.nan,
        "unit": status.spec.unit.value,
        "accountant": guarantee.accountant if guarantee else None,
        "seed": status.spec.seed,
    }


def _one_run(runs: RunStore, status: RunStatus, parts: Collection[Part]) -> pd.DataFrame:
    facts = run_facts(runs, status)
    scores = runs.scores(status.run_id)
    held_out = scores[scores["split"].isin([part.value for part in parts])].reset_index(drop=True)
    return held_out.assign(**facts)[[*RUN_COLUMNS, *CASE_SCORE_COLUMNS]]
