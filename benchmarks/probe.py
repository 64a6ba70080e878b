"""Inline training of `probe`: time from the calibration of a new epsilon to AUROCs with intervals, by size of the cohort."""

import time
from statistics import median

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.auroc import all_intervals
from dpmed_core.evaluation.scores.grouping import group_cases
from dpmed_core.training.dpsgd.secure_random import SecureRandom
from dpmed_core.training.encoders.components import unit_norm
from dpmed_core.training.recipes.catalogue import PROBE
from dpmed_core.training.recipes.head import Head
from dpmed_core.training.recipes.linear_head import HeadData, head_data, train_heads
from dpmed_core.training.recipes.probe_settings import private_settings
from dpmed_core.training.recipes.train_probe import accounted_steps, plan_probe
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit, RunSpec

N_FINDINGS = 8
IMAGES_PER_PATIENT = 2
SIZES = ((5_000, 320), (5_000, 160), (20_000, 320), (50_000, 320), (150_000, 320))
"""(cases, features); seven tenths of the cases are trained on and two tenths are scored, as in a cohort without its own split."""
ROUNDS = {5_000: 15, 20_000: 5, 50_000: 3, 150_000: 1}


def rows() -> list[dict[str, object]]:
    """One row per size; then many runs in one product; last, the formula that was fitted to the sizes."""
    measured = [_row(n_cases, n_features) for n_cases, n_features in SIZES]
    return [*measured, _many(SIZES[0], n_runs=27), _law(measured)]


def _row(n_cases: int, n_features: int) -> dict[str, object]:
    """Median times of one size; the first round warms up and does not count."""
    data, held_out, labels = _cohort(n_cases, n_features)
    seconds = []
    steps = []
    for number in range(ROUNDS[n_cases] + 1):
        began, processor = time.perf_counter(), time.process_time()
        plan = plan_probe(_spec(0.5 + 0.37 * number), n_units=data.n_units, n_findings=N_FINDINGS)  # never the same epsilon twice
        planned = time.perf_counter()
        head = train_heads(data, plan.settings, [plan.noise_multiplier], SecureRandom())[0]
        trained = time.perf_counter()
        _intervals(head, held_out, labels)
        ended = time.perf_counter()
        steps.append(accounted_steps(plan))
        seconds.append((planned - began, trained - planned, ended - trained, ended - began, time.process_time() - processor))
    plan_s, train_s, judge_s, total, processor_s = (median(column) for column in zip(*seconds[1:], strict=True))
    return {
        "case": f"{n_cases} cases, {n_features} features",
        "n_cases": n_cases,
        "n_features": n_features,
        "n_findings": N_FINDINGS,
        "steps": median(steps[1:]),
        "calibrate_seconds": plan_s,
        "train_seconds": train_s,
        "judge_seconds": judge_s,
        "median_seconds": total,
        "processor_seconds": processor_s,
    }


def _many(size: tuple[int, int], *, n_runs: int) -> dict[str, object]:
    data, _, _ = _cohort(*size)
    noise = [plan_probe(_spec(0.3 * (1 + i)), n_units=data.n_units, n_findings=N_FINDINGS).noise_multiplier for i in range(n_runs)]
    settings = private_settings(200.0)
    began = time.perf_counter()
    train_heads(data, settings, noise, SecureRandom())
    together = time.perf_counter() - began
    began = time.perf_counter()
    for one in noise:
        train_heads(data, settings, [one], SecureRandom())
    apart = time.perf_counter() - began
    return {"case": f"{n_runs} runs in one product, {size[0]} cases", "train_seconds": together, "one_by_one_seconds": apart}


def _law(measured: list[dict[str, object]]) -> dict[str, object]:
    """seconds = a + b cases x features x steps, by least squares of relative errors."""
    numbers = np.array([np.prod([float(str(row[name])) for name in ("n_cases", "n_features", "steps")]) for row in measured])
    seconds = np.array([float(str(row["median_seconds"])) for row in measured])
    design = np.c_[np.ones(len(numbers)), numbers] / seconds[:, None]
    (fixed, slope), *_ = np.linalg.lstsq(design, np.ones(len(numbers)), rcond=None)
    worst = float(np.abs((fixed + slope * numbers) / seconds - 1).max())
    law = f"{1000 * fixed:.1f} ms + {1e9 * slope:.3f} ns x cases x features x steps"
    return {"case": f"law: {law}", "fixed_seconds": fixed, "seconds_per_case_feature_and_step": slope, "worst_relative_error": worst}


def _cohort(n_cases: int, n_features: int) -> tuple[HeadData, NDArray[np.float32], NDArray[np.float64]]:
    rng = np.random.default_rng(0)
    features = unit_norm(rng.normal(size=(n_cases, n_features)))
    labels = (rng.random((n_cases, N_FINDINGS)) < 0.25).astype(np.float64)
    n_train = int(0.7 * n_cases) // IMAGES_PER_PATIENT * IMAGES_PER_PATIENT
    units = np.split(np.arange(n_train), np.arange(IMAGES_PER_PATIENT, n_train, IMAGES_PER_PATIENT))
    held_out = slice(n_train, n_train + int(0.2 * n_cases))
    return head_data(features, labels, units), features[held_out], labels[held_out]


def _intervals(head: Head, features: NDArray[np.float32], labels: NDArray[np.float64]) -> None:
    patients = np.arange(len(features)) // IMAGES_PER_PATIENT
    grouping = group_cases(pd.DataFrame(index=range(len(features))), (), patients, n_patients=int(patients.max()) + 1)
    all_intervals(np.ascontiguousarray(head.probabilities(features).T), np.ascontiguousarray(labels.T), grouping)


def _spec(epsilon: float) -> RunSpec:
    return RunSpec("0" * 64, 0, "probe", PROBE.version, PrivacyUnit.PATIENT, PrivacyTarget(epsilon, 1e-5), 0)
