"""Stored scores to panels of arrays: the only way from the run store to every table."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpmed_core.cohort.schema import Cohort, Part
from dpmed_core.cohort.split import DEFAULT_SPLIT_SEED
from dpmed_core.errors import DamagedRunError
from dpmed_core.evaluation.scores.panel import Panel
from dpmed_core.evaluation.scores.scored_runs import RUN_COLUMNS, finished_runs, run_facts, superseded_runs
from dpmed_core.runs.status import RunStatus, UnreadableRun
from dpmed_core.runs.store import RunStore

LAYOUT_COLUMNS = ["case_id", "split", "finding"]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Scores:
    """The held-out scores of a cohort's finished runs.

    Attributes:
        test: panels of test cases.
        validation: panels of validation cases.
        damaged: runs that are left out because their files fail their check.
        superseded: runs that are left out because a newer version of their recipe has runs.
        deltas: the deltas of the budgets that were trained at several, in rising order; empty where none was.
        unreadable: runs that are left out because their request or progress cannot be read, and what to do; where that is the request, they
            may be on another cohort.
    """

    test: tuple[Panel, ...]
    validation: tuple[Panel, ...]
    damaged: tuple[str, ...]
    superseded: tuple[str, ...]
    deltas: tuple[float, ...] = ()
    unreadable: tuple[UnreadableRun, ...] = ()

    def at_one_delta(self, wanted: float | None) -> "Scores":
        """The runs of one delta for each recipe, unit and epsilon: an epsilon at another delta is another guarantee, and is not averaged.

        Args:
            wanted: the delta, where a budget was trained at it; otherwise, and with None, the smallest counts, the strongest guarantee.
        """
        of_budget: dict[tuple[object, ...], set[float]] = {}
        for panel in (*self.test, *self.validation):
            for *budget, delta in panel.runs[["recipe", "unit", "epsilon", "delta"]].dropna().itertuples(index=False):
                of_budget.setdefault(tuple(budget), set()).add(delta)
        several = {budget: sorted(deltas) for budget, deltas in of_budget.items() if len(deltas) > 1}
        if not several:
            return self
        kept = {budget: wanted if wanted in deltas else deltas[0] for budget, deltas in several.items()}

        def only(panel: Panel) -> Panel:
            budgets = zip(panel.runs["recipe"], panel.runs["unit"], panel.runs["epsilon"], panel.runs["delta"], strict=True)
            return panel.only(np.array([kept.get((recipe, unit, e), delta) == delta or np.isnan(e) for recipe, unit, e, delta in budgets]))

        test, validation = (tuple(p for p in map(only, panels) if len(p.runs)) for panels in (self.test, self.validation))
        return replace(self, test=test, validation=validation, deltas=tuple(sorted({d for deltas in several.values() for d in deltas})))


@dataclass(frozen=True, eq=False)
class _Run:
    """One run's scores; `labels` and `scores` are `[n_findings, n_cohort_cases]`, NaN where not scored."""

    facts: dict[str, Any]
    findings: tuple[str, ...]
    parts: NDArray[np.object_] = field(repr=False)
    labels: Floats = field(repr=False)
    scores: Floats = field(repr=False)


@dataclass(frozen=True, eq=False)
class _Layout:
    """Where the rows of a run's table belong; the same for most runs of a cohort, and then found once."""

    rows: pd.DataFrame = field(repr=False)
    finding: NDArray[np.intp] = field(repr=False)
    case: NDArray[np.intp] = field(repr=False)
    findings: tuple[str, ...]
    parts: NDArray[np.object_] = field(repr=False)


def read_scores(
    runs: RunStore, cohort: Cohort, *, recipe: str | None = None, split_seed: int = DEFAULT_SPLIT_SEED, start: str | None = None
) -> Scores:
    """The scores of every finished run on one split of `cohort` from one public start (None: from scratch), or of one recipe's."""
    read: list[_Run] = []
    damaged: list[str] = []
    layout: _Layout | None = None
    for status in finished_runs(runs, cohort, recipe=recipe, split_seed=split_seed, start=start):
        try:
            table = runs.scores(status.run_id)
            # Runs on one cohort mostly store the same rows in the same order, so their places in the arrays are looked up once.
            layout = layout if layout is not None and table[LAYOUT_COLUMNS].equals(layout.rows) else _layout(table, cohort)
            read.append(_run(runs, status, table, layout))
        except (DamagedRunError, KeyError, IndexError, TypeError, ValueError):  # the table holds other things than a run's scores
            damaged.append(status.run_id)
    test, validation = (tuple(_panels(read, cohort, part)) for part in (Part.TEST, Part.VALIDATION))
    superseded = tuple(status.run_id for status in superseded_runs(runs, cohort, recipe=recipe, start=start))
    unreadable = (run for run in runs.unreadable() if run.may_be_on(cohort.fingerprint))
    unreadable = (run for run in unreadable if run.spec is None or recipe in (None, run.spec.variant))
    return Scores(test, validation, tuple(damaged), superseded, unreadable=tuple(unreadable))


def _layout(table: pd.DataFrame, cohort: Cohort) -> _Layout:
    """Finding and case of each row of a run's table."""
    finding, findings = pd.factorize(table["finding"])
    case = pd.Index(cohort.cases["case_id"]).get_indexer(pd.Index(table["case_id"]))
    parts = np.full(len(cohort.cases), "", dtype=object)
    parts[case] = table["split"].to_numpy(dtype=object)
    return _Layout(table[LAYOUT_COLUMNS], finding, case, tuple(map(str, findings)), parts)


def _run(runs: RunStore, status: RunStatus, table: pd.DataFrame, layout: _Layout) -> _Run:
    shape = (len(layout.findings), len(layout.parts))
    labels, scores = np.full(shape, np.nan), np.full(shape, np.nan)
    labels[layout.finding, layout.case] = table["label"].to_numpy(dtype=float)
    scores[layout.finding, layout.case] = table["score"].to_numpy(dtype=float)
    return _Run(run_facts(runs, status), layout.findings, layout.parts, labels, scores)


def _panels(read: Sequence[_Run], cohort: Cohort, part: Part) -> Iterator[Panel]:
    """One panel for each set of runs with the same findings and the same cases in `part`."""
    same: dict[tuple[object, ...], list[_Run]] = {}
    for run in read:
        scored = _scored_in(run, part)
        if scored.any():
            same.setdefault((run.findings, scored.tobytes()), []).append(run)
    for group in same.values():
        yield _panel(group, cohort, np.flatnonzero(_scored_in(group[0], part)))


def _scored_in(run: _Run, part: Part) -> NDArray[np.bool_]:
    """Which of the cohort's cases are in `part` for this run and have a score for any finding."""
    return np.asarray((run.parts == part.value) & ~np.isnan(run.scores).all(axis=0))


def _panel(group: Sequence[_Run], cohort: Cohort, rows: NDArray[np.intp]) -> Panel:
    """The panel of runs that were scored on the cases in `rows` of the cohort's table."""
    scores = np.stack([run.scores[:, rows] for run in group])
    labels = np.stack([run.labels[:, rows] for run in group])
    # Runs are compared case by case, so a finding of a case counts only where every run has its score and the same label. The others'
    # labels become unknown, which leaves them out everywhere; their scores must only be numbers, since they are sorted with the rest.
    scored = ~np.isnan(scores).any(axis=0)
    usable = (labels == labels[:1]).all(axis=0) & scored
    cases = cohort.cases.iloc[rows][["case_id", "patient_id", "age", "sex", *cohort.comorbidities]].reset_index(drop=True)
    patients, patient_ids = pd.factorize(cases["patient_id"])
    return Panel(
        runs=pd.DataFrame([run.facts for run in group], columns=list(RUN_COLUMNS)),
        findings=group[0].findings,
        cases=cases,
        patients=patients.astype(np.intp),
        n_patients=len(patient_ids),
        labels=np.where(usable, labels[0], np.nan),
        scores=np.nan_to_num(scores),
        # Where no run has a label it is unknown to all of them alike.
        unusable=~usable & ~(np.isnan(labels).all(axis=0) & scored),
    )
