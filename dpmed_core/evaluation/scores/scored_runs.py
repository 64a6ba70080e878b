"""Which finished runs count on a cohort, and what every table says of a run."""

import math
from typing import Any

from dpmed_core.cohort.schema import Cohort
from dpmed_core.cohort.split import DEFAULT_SPLIT_SEED
from dpmed_core.runs.status import RunState, RunStatus
from dpmed_core.runs.store import RunStore

RUN_COLUMNS = ("run_id", "recipe", "epsilon", "epsilon_spent", "delta", "unit", "accountant", "seed")
"""`epsilon` is the target, NaN where non-private; `epsilon_spent` is what the accountant gives, at most the target.

delta and accountant are given for private runs only.
"""


def finished_runs(
    runs: RunStore, cohort: Cohort, *, recipe: str | None = None, split_seed: int | None = DEFAULT_SPLIT_SEED
) -> list[RunStatus]:
    """The finished runs on the data of `cohort`, of each recipe's newest version, in the order in which they were requested.

    With an added encoder a recipe is another one here and in every table (`RunSpec.variant`).
    Two versions of a recipe train different models, so their runs are not averaged; those left out are `superseded_runs`. Runs on other
    splits have other test patients, who were others' training patients: `split_seed` names the split, None all of them.
    """
    finished = _all_finished(runs, cohort, recipe)
    newest = _newest_versions(finished)
    of_version = [status for status in finished if status.spec.recipe_version == newest[status.spec.variant]]
    return [status for status in of_version if split_seed is None or status.spec.split_seed in (None, split_seed)]


def splits_with_runs(runs: RunStore, cohort: Cohort, *, recipe: str | None = None) -> list[int]:
    """The random splits of `cohort` on which runs are finished; empty for the source's own split."""
    seeds = {status.spec.split_seed for status in finished_runs(runs, cohort, recipe=recipe, split_seed=None)}
    return sorted(seed for seed in seeds if seed is not None)


def superseded_runs(runs: RunStore, cohort: Cohort, *, recipe: str | None = None) -> list[RunStatus]:
    """The finished runs that do not count, because a newer version of their recipe has finished runs on the same data."""
    finished = _all_finished(runs, cohort, recipe)
    newest = _newest_versions(finished)
    return [status for status in finished if status.spec.recipe_version != newest[status.spec.variant]]


def _all_finished(runs: RunStore, cohort: Cohort, recipe: str | None) -> list[RunStatus]:
    return [
        status
        for status in runs.of_cohort(cohort.fingerprint)
        if status.state == RunState.FINISHED and recipe in (None, status.spec.variant)
    ]


def _newest_versions(finished: list[RunStatus]) -> dict[str, int]:
    newest: dict[str, int] = {}
    for status in finished:
        newest[status.spec.variant] = max(status.spec.recipe_version, newest.get(status.spec.variant, 0))
    return newest


def run_facts(runs: RunStore, status: RunStatus) -> dict[str, Any]:
    """What every table says of a finished run: the values of `RUN_COLUMNS`.

    Raises:
        DamagedRunError: the run's files fail their check.
    """
    guarantee = runs.result(status.run_id).guarantee
    return {
        "run_id": status.run_id,
        "recipe": status.spec.variant,
        "epsilon": status.spec.privacy.epsilon if status.spec.privacy else math.nan,
        "epsilon_spent": guarantee.epsilon if guarantee else math.nan,
        "delta": guarantee.delta if guarantee else math.nan,
        "unit": status.spec.unit.value,
        "accountant": guarantee.accountant if guarantee else None,
        "seed": status.spec.seed,
    }
