"""What tables need of each run, computed before anybody looks: when a run is finished, and again when code or analysis plan change."""

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from dpmed_core.cohort.schema import Cohort
from dpmed_core.cohort.split import DEFAULT_SPLIT_SEED
from dpmed_core.errors import DamagedRunError
from dpmed_core.evaluation.analysis_plan import AnalysisPlan, PlanRecord
from dpmed_core.evaluation.scores.kept_arrays import KeptArrays, digest_of
from dpmed_core.evaluation.scores.load_scores import Scores, read_scores
from dpmed_core.evaluation.scores.operating_point import OperatingRule
from dpmed_core.evaluation.scores.scored_runs import finished_runs, starts_with_runs
from dpmed_core.evaluation.tables.all_tables import EvaluationTables
from dpmed_core.runs.status import RunStatus
from dpmed_core.runs.store import RunStore

TOGETHER = 20
"""Runs whose scores are in memory at once."""


def runs_to_keep(runs: RunStore, cohort: Cohort, plan: AnalysisPlan) -> list[RunStatus]:
    """The finished runs on `cohort` of which something that its pages show by its plan is not kept by the present code."""
    kept = KeptArrays(runs)
    starts = (None, *starts_with_runs(runs, cohort))
    counted = [status for start in starts for status in finished_runs(runs, cohort, split_seed=None, start=start)]
    return [status for status in counted if not _is_kept(kept, status.run_id, plan)]


def keep_tables(runs: RunStore, cohort: Cohort, plan: AnalysisPlan, statuses: Sequence[RunStatus]) -> None:
    """Compute and keep what the tables of these runs need: of all patients, by each attribute of the plan, and by all of them together.

    Raises:
        CohortError: the plan names an attribute that the cohort does not have.
    """
    kept = KeptArrays(runs)
    together: dict[tuple[int, str | None], list[str]] = {}
    for status in statuses:
        split_seed = DEFAULT_SPLIT_SEED if status.spec.split_seed is None else status.spec.split_seed
        together.setdefault((split_seed, status.spec.start.name if status.spec.start else None), []).append(status.run_id)
    for (split_seed, start), run_ids in together.items():
        for first in range(0, len(run_ids), TOGETHER):
            some = run_ids[first : first + TOGETHER]
            _keep(runs, cohort, plan, split_seed, start, some)
            for run_id in some:
                _mark(kept, run_id, plan)


def _keep(runs: RunStore, cohort: Cohort, plan: AnalysisPlan, split_seed: int, start: str | None, run_ids: Collection[str]) -> None:
    scores = read_scores(runs, cohort, split_seed=split_seed, start=start, only=run_ids)
    for by in _attributes(plan):
        EvaluationTables(lambda: scores, by, margin=plan.margin, rule=OperatingRule.parse(plan.operating_point)).compute_kept()


def keep_shown(runs: RunStore, cohort: Cohort, plans: PlanRecord, *, until: float | None = None) -> bool:
    """Compute and keep the tables of all finished runs together that pages show first; False where the time ended before that.

    Args:
        runs: the run store.
        cohort: whose runs.
        plans: the analysis plan.
        until: when no further table is begun (`time.monotonic`).
    """
    kept = KeptArrays(runs)
    for start in (None, *starts_with_runs(runs, cohort)):
        scores: Scores | None = None
        for options in _shown(plans):
            name = digest_of("shown", *_of_runs(kept, runs, cohort, start), repr(options))
            if kept.get_together(name) is not None:
                continue
            if until is not None and time.monotonic() > until:
                return False
            scores = scores or read_scores(runs, cohort, start=start).at_one_delta(None)
            EvaluationTables(partial(_given, scores), **options).compute_shown()
            kept.put_together(name, {}, None, run_ids=())
    return True


def _given(scores: Scores) -> Scores:
    return scores


def _shown(plans: PlanRecord) -> list[dict[str, Any]]:
    """The arguments of the tables of pages: of all patients, by each attribute of the plan, and by all of them for its verdicts."""
    plan = plans.plan
    epsilons = None if plans.is_exploratory else plan.epsilons
    of_plan = {"by": plan.attributes, "margin": plan.margin, "findings": plan.findings, "epsilons": epsilons}
    return [{"by": ()}, *({"by": (attribute,)} for attribute in plan.attributes), of_plan]


def _of_runs(kept: KeptArrays, runs: RunStore, cohort: Cohort, start: str | None) -> Iterator[str]:
    """What tells the stored results of the finished runs on a cohort from any others."""
    for status in finished_runs(runs, cohort, start=start):
        with suppress(DamagedRunError):
            yield f"{status.run_id} {kept.digests(status.run_id)}"


def _attributes(plan: AnalysisPlan) -> list[tuple[str, ...]]:
    """The sets of attributes by which pages, commands and exports make their tables."""
    return list(dict.fromkeys([(), *((attribute,) for attribute in plan.attributes), plan.attributes]))


def _name(kept: KeptArrays, run_id: str, plan: AnalysisPlan) -> str:
    return digest_of("all that tables need", kept.digests(run_id), *plan.attributes, "at", plan.operating_point)


def _is_kept(kept: KeptArrays, run_id: str, plan: AnalysisPlan) -> bool:
    try:
        return kept.get(run_id, _name(kept, run_id, plan)) is not None
    except DamagedRunError:  # nothing is kept of it, nor shown
        return True


def _mark(kept: KeptArrays, run_id: str, plan: AnalysisPlan) -> None:
    try:
        kept.put(run_id, _name(kept, run_id, plan), {})
    except DamagedRunError:
        return
