"""Which finished runs count on a cohort, and what every table says of a run."""

import math
from typing import Any

from dpmed_core.cohort.schema import Cohort
from dpmed_core.cohort.split import DEFAULT_SPLIT_SEED
from dpmed_core.runs.status import RunState, RunStatus
from dpmed_core.runs.store import RunStore

RUN_COLUMNS = ("run_id", "recipe", "epsilon", "epsilon_spent", "delta", "unit", "accountant", "seed", "start")
"""`epsilon` is the target, NaN where non-private; `epsilon_spent` is what the accountant gives, at most the target.

delta and accountant are given for private runs only; `start` is the name of the public start, None from scratch. With a start, epsilon 0 is
the start alone.
"""


def finished_runs(
    runs: RunStore,
    cohort: Cohort,
    *,
    recipe: str | None = None,
    split_seed: int | None = DEFAULT_SPLIT_SEED,
    start: str | None = None,
) -> list[RunStatus]:
    """The finished runs on the data of `cohort`, of each recipe's newest version, in the order in which they were requested.

    With an added encoder a recipe is another one here and in every table (`RunSpec.variant`).
    Two versions of a recipe train different models, so their runs are not averaged; those left out are `superseded_runs`. Runs on other
    splits have other test patients, who were others' training patients: `split_seed` names the split, None all of them. Nor are runs
    averaged that begin elsewhere: `start` names the public start, None those from scratch.
    """
    counted, _ = _by_newness(runs, cohort, recipe, start)
    return [status for status in counted if split_seed is None or status.spec.split_seed in (None, split_seed)]


def splits_with_runs(runs: RunStore, cohort: Cohort, *, recipe: str | None = None, start: str | None = None) -> list[int]:
    """The random splits of `cohort` on which runs are finished; empty for the source's own split."""
    seeds = {status.spec.split_seed for status in finished_runs(runs, cohort, recipe=recipe, split_seed=None, start=start)}
    return sorted(seed for seed in seeds if seed is not None)


def starts_with_runs(runs: RunStore, cohort: Cohort, *, recipe: str | None = None) -> list[str]:
    """The names of the public starts from which runs on `cohort` are finished."""
    return sorted({status.spec.start.name for status in _all_finished(runs, cohort, recipe) if status.spec.start})


def trained_kinds(runs: RunStore, cohort: Cohort) -> list[tuple[str, str | None, str]]:
    """Recipe (`RunSpec.variant`), public start or None, and unit of the finished runs on the first split, each kind once."""
    first = [s.spec for s in _all_finished(runs, cohort, None) if s.spec.split_seed in (None, DEFAULT_SPLIT_SEED)]
    return list(dict.fromkeys((spec.variant, spec.start.name if spec.start else None, spec.unit.value) for spec in first))


def superseded_runs(runs: RunStore, cohort: Cohort, *, recipe: str | None = None, start: str | None = None) -> list[RunStatus]:
    """The finished runs that do not count, because a newer version of their recipe has finished runs on the same data.

    With a start, those too that began at another head of its name, or with other findings, than the newest of them.
    """
    return _by_newness(runs, cohort, recipe, start)[1]


def _by_newness(runs: RunStore, cohort: Cohort, recipe: str | None, start: str | None) -> tuple[list[RunStatus], list[RunStatus]]:
    """The finished runs from `start` that count, and those that are superseded."""
    begun = [s for s in _all_finished(runs, cohort, recipe) if (s.spec.start.name if s.spec.start else None) == start]
    newest: dict[str, int] = {}
    for status in begun:
        newest[status.spec.variant] = max(status.spec.recipe_version, newest.get(status.spec.variant, 0))
    of_version = [s for s in begun if s.spec.recipe_version == newest[s.spec.variant]]
    last = {s.spec.variant: s.spec.start for s in of_version}  # the last one asked for
    counted = [s for s in of_version if s.spec.start == last[s.spec.variant]]
    kept = {s.run_id for s in counted}
    return counted, [s for s in begun if s.run_id not in kept]


def _all_finished(runs: RunStore, cohort: Cohort, recipe: str | None) -> list[RunStatus]:
    return [
        status
        for status in runs.of_cohort(cohort.fingerprint)
        if status.state == RunState.FINISHED and recipe in (None, status.spec.variant)
    ]


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
        "start": status.spec.start.name if status.spec.start else None,
    }
