"""AUROCs of subgroups with patient-clustered intervals, against bootstrapping scikit-learn's over patients."""

import time
from collections.abc import Callable
from functools import partial
from statistics import median

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from benchmarks.pairs import timed_in_turns
from dpmed_core.evaluation.scores.design import Design
from dpmed_core.evaluation.scores.grouping import Grouping, group_cases
from dpmed_core.evaluation.statistics.auroc import auroc_by_group
from dpmed_core.evaluation.statistics.intervals import on_logit
from dpmed_core.evaluation.statistics.jackknife import logit_jackknife

N_CASES, N_PATIENTS, N_FINDINGS = 39_809, 12_000, 8
BY = ("sex", "age", "copd", "heart_failure")
"""2, 5, 2 and 3 subgroups (heart failure is sometimes unknown), beside all patients."""
REPLICATES_TIMED, REPLICATES_MEANT, ROUNDS = 2, 1000, 7


def rows() -> list[dict[str, object]]:
    """All findings in all patients and 12 subgroups; the time of 1,000 bootstrap replicates is taken as 500 times that of 2."""
    cases, patients, labels, scores = synthetic()
    grouping = group_cases(cases, BY, patients, n_patients=N_PATIENTS)
    pair = timed_in_turns(
        partial(all_intervals, scores, labels, grouping), partial(bootstrap, scores, labels, patients, grouping), rounds=ROUNDS
    )
    peer_seconds = pair.peer_seconds * REPLICATES_MEANT / REPLICATES_TIMED
    return [
        {
            "case": f"AUROC with interval, {N_CASES:,} images, {N_FINDINGS} findings, {len(grouping.groups) - 1} subgroups, one thread",
            "seconds": pair.ours_seconds,
            "processor_seconds": processor_seconds(partial(all_intervals, scores, labels, grouping)),
            "peer": f"scikit-learn, {REPLICATES_MEANT:,} bootstrap replicates of patients ({REPLICATES_TIMED} timed)",
            "peer_seconds": peer_seconds,
            "times_faster": peer_seconds / pair.ours_seconds,
        }
    ]


def processor_seconds(action: Callable[[], object]) -> float:
    """Median processor time of `action` over the rounds, which other work on the machine changes less than the time by the clock."""
    times = []
    for _ in range(ROUNDS):
        began = time.process_time()
        action()
        times.append(time.process_time() - began)
    return median(times)


def synthetic() -> tuple[pd.DataFrame, NDArray[np.intp], NDArray[np.float64], NDArray[np.float64]]:
    """The cases' attributes, their patients `[n_cases]`, labels and scores `[n_findings, n_cases]`."""
    rng = np.random.default_rng(0)
    patients = np.sort(np.concatenate([np.arange(N_PATIENTS), rng.integers(0, N_PATIENTS, N_CASES - N_PATIENTS)]))
    of_patient = pd.DataFrame(
        {
            "sex": rng.choice(["female", "male"], N_PATIENTS),
            "age": rng.integers(18, 95, N_PATIENTS).astype(float),
            "copd": rng.choice([0.0, 1.0], N_PATIENTS),
            "heart_failure": rng.choice([0.0, 1.0, np.nan], N_PATIENTS),
        }
    )
    labels = (rng.random((N_FINDINGS, N_CASES)) < 0.2).astype(float)
    return of_patient.iloc[patients].reset_index(drop=True), patients, labels, labels + rng.normal(size=labels.shape)


def all_intervals(scores: NDArray[np.float64], labels: NDArray[np.float64], grouping: Grouping) -> None:
    """What the dashboard computes for one run: AUROCs, patient-clustered variances and intervals."""
    for finding_index in range(len(labels)):
        design = Design.of(labels[finding_index], grouping)
        value, influence = auroc_by_group(scores[finding_index], design)
        variance, freedom = logit_jackknife(value, influence, grouping, design.counts.effective)
        on_logit(value, variance, freedom, design.counts.effective)


def bootstrap(scores: NDArray[np.float64], labels: NDArray[np.float64], patients: NDArray[np.intp], grouping: Grouping) -> None:
    """The same subgroups by `roc_auc_score` on resampled patients."""
    rng = np.random.default_rng(1)
    for block in grouping.blocks[1:]:
        for code in range(block.n_groups):
            rows = np.flatnonzero(block.codes == code)
            _, numbers = np.unique(patients[rows], return_inverse=True)
            images_of = np.split(rows[np.argsort(numbers, kind="stable")], np.cumsum(np.bincount(numbers))[:-1])
            for finding_index in range(len(labels)):
                for _ in range(REPLICATES_TIMED):
                    drawn = np.concatenate([images_of[i] for i in rng.integers(0, len(images_of), len(images_of))])
                    roc_auc_score(labels[finding_index, drawn], scores[finding_index, drawn])
