"""Panels and every table of an evaluation from one table of scored cases, as tests write it."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from dpmed_core.cohort.schema import Part
from dpmed_core.evaluation.metrics.auroc import AUROC
from dpmed_core.evaluation.scores.load_scores import Scores
from dpmed_core.evaluation.scores.panel import Panel
from dpmed_core.evaluation.scores.scored_runs import RUN_COLUMNS
from dpmed_core.evaluation.tables.all_tables import EvaluationTables
from dpmed_core.evaluation.tables.utility import mean_of_runs
from dpmed_core.training.result import SCORE_COLUMNS

CASE_SCORE_COLUMNS = SCORE_COLUMNS
"""The columns that the store keeps of a case and finding."""


def panels_of(scored: pd.DataFrame, part: Part = Part.TEST) -> list[Panel]:
    """The cases of `part`, one panel for each set of runs that were scored on the same cases."""
    scored = scored[scored["split"] == part.value]
    same: dict[frozenset[str], list[str]] = {}
    for run_id, rows in scored.groupby("run_id", sort=False):
        same.setdefault(frozenset(rows["case_id"]), []).append(run_id)
    return [_panel(scored[scored["run_id"].isin(runs)]) for runs in same.values()]


def _panel(scored: pd.DataFrame) -> Panel:
    scored = scored if "start" in scored else scored.assign(start=None)
    run, run_ids = pd.factorize(scored["run_id"])
    finding, findings = pd.factorize(scored["finding"])
    case, case_ids = pd.factorize(scored["case_id"])
    scores = np.full((len(run_ids), len(findings), len(case_ids)), np.nan)
    scores[run, finding, case] = scored["score"].to_numpy(dtype=float)
    known = np.full(scores.shape, np.nan)
    known[run, finding, case] = scored["label"].to_numpy(dtype=float)
    usable = (known == known[:1]).all(axis=0) & ~np.isnan(scores).any(axis=0)
    who = [name for name in scored.columns if name not in {*RUN_COLUMNS, *CASE_SCORE_COLUMNS} - {"case_id", "patient_id"}]
    _, first_of_case = np.unique(case, return_index=True)
    _, first_of_run = np.unique(run, return_index=True)
    cases = scored.iloc[first_of_case][who].reset_index(drop=True)
    patients, patient_ids = pd.factorize(cases["patient_id"])
    return Panel(
        runs=scored.iloc[first_of_run][list(RUN_COLUMNS)].reset_index(drop=True),
        findings=tuple(map(str, findings)),
        cases=cases,
        patients=patients.astype(np.intp),
        n_patients=len(patient_ids),
        labels=np.where(usable, known[0], np.nan),
        scores=np.nan_to_num(scores),
    )


def evaluation_tables(scored: pd.DataFrame, by: Sequence[str] = (), **options: object) -> EvaluationTables:
    """All tables of scored cases."""
    test, validation = (tuple(panels_of(scored, part)) for part in (Part.TEST, Part.VALIDATION))
    return EvaluationTables(lambda: Scores(test, validation, (), ()), by, **options)


def utility_table(scored: pd.DataFrame) -> pd.DataFrame:
    return evaluation_tables(scored).auroc.utility


def utility_means(utility: pd.DataFrame) -> pd.DataFrame:
    return mean_of_runs(AUROC, utility if "attribute" in utility else utility.assign(attribute="all", subgroup="all"))


def subgroup_table(scored: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    return evaluation_tables(scored, by).auroc.subgroups


def gap_table(scored: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    return evaluation_tables(scored, by).auroc.gaps


def cost_table(scored: pd.DataFrame, by: Sequence[str] = (), **options: object) -> pd.DataFrame:
    return evaluation_tables(scored, by, **options).auroc.costs


def size_loss_table(scored: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    return evaluation_tables(scored, by).auroc.size_loss


def verdict_table(scored: pd.DataFrame, by: Sequence[str], **options: object) -> pd.DataFrame:
    return evaluation_tables(scored, by, **options).verdicts


def rate_table(scored: pd.DataFrame, by: Sequence[str] = (), **options: object) -> pd.DataFrame:
    return evaluation_tables(scored, by, **options).rates


def parity_table(scored: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    return evaluation_tables(scored, by).parity


def disparity_table(scored: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    return evaluation_tables(scored, by).disparity


def calibration_table(scored: pd.DataFrame, by: Sequence[str] = ()) -> pd.DataFrame:
    return evaluation_tables(scored, by).calibration


def benefit_table(scored: pd.DataFrame) -> pd.DataFrame:
    return evaluation_tables(scored).net_benefit
