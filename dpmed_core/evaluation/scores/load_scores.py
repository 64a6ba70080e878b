"""Stored scores to panels of arrays: the only way from the run store to every table."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpmed_core.cohort.schema import Cohort, Part
from dpmed_core.cohort.split import DEFAULT_SPLIT_SEED
from dpmed_core.errors import DamagedRunError
from dpmed_core.evaluation.scores.kept_arrays import KeptArrays, digest_of
from dpmed_core.evaluation.scores.panel import Panel
from dpmed_core.evaluation.scores.scored_runs import RUN_COLUMNS, finished_runs, run_facts, superseded_runs
from dpmed_core.runs.status import RunStatus, UnreadableRun
from dpmed_core.runs.store import RunStore

LAYOUT_COLUMNS = ["case_id", "split", "finding"]
PARTS = tuple(Part)
Floats = NDArray[np.float64]
Integers = NDArray[np.intp]


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
    """One run's scores of the cohort's cases `rows`: `parts` by number in `PARTS`, `labels` and `scores` `[n_findings, n_rows]`."""

    facts: dict[str, Any]
    findings: tuple[str, ...]
    rows: Integers = field(repr=False)
    parts: NDArray[np.uint8] = field(repr=False)
    labels: Floats = field(repr=False)
    scores: Floats = field(repr=False)

    def scored_in(self, part: Part) -> NDArray[np.bool_]:
        """Which of the rows are in `part` and have a score for any finding."""
        return np.asarray((self.parts == PARTS.index(part)) & ~np.isnan(self.scores).all(axis=0))


@dataclass(frozen=True, eq=False)
class _Layout:
    """Where the rows of a run's table belong; the same for most runs of a cohort, and then found once."""

    table: pd.DataFrame = field(repr=False)
    finding: Integers = field(repr=False)
    place: Integers = field(repr=False)
    findings: tuple[str, ...]
    rows: Integers = field(repr=False)
    parts: NDArray[np.uint8] = field(repr=False)


class _Reader:
    """Reads the runs of one store that are on one cohort."""

    def __init__(self, runs: RunStore, cohort: Cohort, kept: KeptArrays) -> None:
        self._runs, self._kept = runs, kept
        self._case_ids = pd.Index(cohort.cases["case_id"])
        self._order = digest_of("\n".join(map(str, self._case_ids)))
        self._layout: _Layout | None = None

    def read(self, status: RunStatus) -> _Run:
        """A run's scores: as they are kept, or else from its table.

        Raises:
            DamagedRunError: the run's files fail their check.
            KeyError, IndexError, TypeError, ValueError: the table holds other things than a run's scores.
        """
        name = digest_of("scores", self._kept.digests(status.run_id), self._order)
        if (found := self._kept.get(status.run_id, name)) is not None:
            arrays, about = found
            return _Run(about["facts"], tuple(about["findings"]), **arrays)
        table = self._runs.scores(status.run_id)
        # Runs on one cohort mostly store the same rows in the same order, so their places in the arrays are looked up once.
        if self._layout is None or not table[LAYOUT_COLUMNS].equals(self._layout.table):
            self._layout = self._layout_of(table)
        run = _run(run_facts(self._runs, status), table, self._layout)
        arrays = {"rows": run.rows, "parts": run.parts, "labels": run.labels, "scores": run.scores}
        self._kept.put(status.run_id, name, arrays, {"facts": run.facts, "findings": run.findings})
        return run

    def _layout_of(self, table: pd.DataFrame) -> _Layout:
        """Finding and case of each row of a run's table."""
        finding, findings = pd.factorize(table["finding"])
        case = self._case_ids.get_indexer(pd.Index(table["case_id"]))
        if (case < 0).any():
            raise ValueError("scores of cases that are not in the cohort")
        rows, place = np.unique(case, return_inverse=True)
        parts = np.zeros(len(rows), dtype=np.uint8)
        parts[place] = [PARTS.index(Part(part)) for part in table["split"]]
        return _Layout(table[LAYOUT_COLUMNS], finding, place, tuple(map(str, findings)), rows.astype(np.intp), parts)


def read_scores(
    runs: RunStore,
    cohort: Cohort,
    *,
    recipe: str | None = None,
    split_seed: int = DEFAULT_SPLIT_SEED,
    start: str | None = None,
    only: Collection[str] | None = None,
) -> Scores:
    """The scores of every finished run on one split of `cohort` from one public start (None: from scratch).

    Args:
        runs: the run store.
        cohort: whose runs.
        recipe: only this recipe's.
        split_seed: the split.
        start: the name of the start.
        only: run_ids, to read no others.
    """
    kept = KeptArrays(runs)
    read: list[_Run] = []
    damaged: list[str] = []
    reader = _Reader(runs, cohort, kept)
    for status in finished_runs(runs, cohort, recipe=recipe, split_seed=split_seed, start=start):
        if only is not None and status.run_id not in only:
            continue
        try:
            read.append(reader.read(status))
        except (DamagedRunError, KeyError, IndexError, TypeError, ValueError):  # the table holds other things than a run's scores
            damaged.append(status.run_id)
    test, validation = (tuple(_panels(read, cohort, part, kept)) for part in (Part.TEST, Part.VALIDATION))
    superseded = tuple(status.run_id for status in superseded_runs(runs, cohort, recipe=recipe, start=start))
    unreadable = (run for run in runs.unreadable() if run.may_be_on(cohort.fingerprint))
    unreadable = (run for run in unreadable if run.spec is None or recipe in (None, run.spec.variant))
    return Scores(test, validation, tuple(damaged), superseded, unreadable=tuple(unreadable))


def _run(facts: dict[str, Any], table: pd.DataFrame, layout: _Layout) -> _Run:
    shape = (len(layout.findings), len(layout.rows))
    labels, scores = np.full(shape, np.nan), np.full(shape, np.nan)
    labels[layout.finding, layout.place] = table["label"].to_numpy(dtype=float)
    scores[layout.finding, layout.place] = table["score"].to_numpy(dtype=float)
    return _Run(facts, layout.findings, layout.rows, layout.parts, labels, scores)


def _panels(read: Sequence[_Run], cohort: Cohort, part: Part, kept: KeptArrays) -> Iterator[Panel]:
    """One panel for each set of runs with the same findings and the same cases in `part`."""
    same: dict[tuple[object, ...], list[tuple[_Run, NDArray[np.bool_]]]] = {}
    for run in read:
        scored = run.scored_in(part)
        if scored.any():
            same.setdefault((run.findings, run.rows[scored].tobytes()), []).append((run, scored))
    for group in same.values():
        yield _panel(group, cohort, kept)


def _panel(group: Sequence[tuple[_Run, NDArray[np.bool_]]], cohort: Cohort, kept: KeptArrays) -> Panel:
    """The panel of runs that were scored on the same cases, each given with which of its rows these are."""
    first, rows = group[0][0], group[0][0].rows[group[0][1]]
    scores = np.stack([run.scores[:, scored] for run, scored in group])
    labels = np.stack([run.labels[:, scored] for run, scored in group])
    # Runs are compared case by case, so a finding of a case counts only where every run has its score and the same label. The others'
    # labels become unknown, which leaves them out everywhere; their scores must only be numbers, since they are sorted with the rest.
    scored = ~np.isnan(scores).any(axis=0)
    usable = (labels == labels[:1]).all(axis=0) & scored
    cases = cohort.cases.iloc[rows][["case_id", "patient_id", "age", "sex", *cohort.comorbidities]].reset_index(drop=True)
    patients, patient_ids = pd.factorize(cases["patient_id"])
    return Panel(
        runs=pd.DataFrame([run.facts for run, _ in group], columns=list(RUN_COLUMNS)),
        findings=first.findings,
        cases=cases,
        patients=patients.astype(np.intp),
        n_patients=len(patient_ids),
        labels=np.where(usable, labels[0], np.nan),
        scores=np.nan_to_num(scores),
        # Where no run has a label it is unknown to all of them alike.
        unusable=~usable & ~(np.isnan(labels).all(axis=0) & scored),
        kept=kept,
    )
