"""Two independent accountants side by side: PRV in both directions, and privacy loss distributions; RDP for comparison.

The first training has the settings of Tayebi Arasteh et al. 2024 (batch 128 of 153,502, 20 epochs, delta 6e-6, epsilon 0.29 to 7.89).
"""

import tempfile
import time
from pathlib import Path

from dpmed_core.training.accounting.accounting import PoissonSubsampledGaussianPRV as UnitRemovedPRV
from dpmed_core.training.accounting.accounting import UnitAddedPRV, calibrate_poisson, prv_epsilon_in_direction, rdp_epsilon
from dpmed_core.training.accounting.pld import check_sampled
from dpmed_core.training.spec import PrivacyTarget

PAPER = ("paper", 6e-6, 128 / 153_502, 23_985)
TRAININGS = (PAPER, ("small hospital", 1e-5, 0.25, 120), ("large batches", 1e-5, 0.1, 200), ("long", 1e-6, 0.01, 3000))
EPSILONS = (0.29, 0.54, 1.06, 2.04, 4.71, 7.89)


def rows() -> list[dict[str, object]]:
    """One row per training and epsilon: noise, epsilon by each accountant, and how far the two that count disagree."""
    with tempfile.TemporaryDirectory() as cache_dir:
        return [_row(*training, epsilon, Path(cache_dir)) for training in TRAININGS for epsilon in EPSILONS]


def _row(case: str, delta: float, sample_rate: float, steps: int, epsilon: float, cache_dir: Path) -> dict[str, object]:
    """One training's row; the second calibration is timed from the cache."""
    target, began = PrivacyTarget(epsilon, delta), time.perf_counter()
    calibration = calibrate_poisson(target, sample_rate=sample_rate, steps=steps, cache_dir=cache_dir)
    seconds, noise = time.perf_counter() - began, calibration.noise_multiplier
    again = time.perf_counter()
    calibrate_poisson(target, sample_rate=sample_rate, steps=steps, cache_dir=cache_dir)
    again = time.perf_counter() - again
    removed, added = (prv_epsilon_in_direction(loss, noise, sample_rate, steps, target) for loss in (UnitRemovedPRV, UnitAddedPRV))
    pld = check_sampled(noise_multiplier=noise, sample_rate=sample_rate, steps=steps, delta=delta, epsilon=epsilon)
    spent = max(removed, added, pld)
    return {
        "case": case,
        "epsilon": epsilon,
        "delta": delta,
        "sample_rate": sample_rate,
        "steps": steps,
        "noise_multiplier": noise,
        "accountant": calibration.accountant,
        "prv_unit_removed": removed,
        "prv_unit_added": added,
        "pld": pld,
        "rdp": rdp_epsilon(noise, sample_rate, steps, delta),
        "disagreement": abs(max(removed, added) / pld - 1),
        "spent_within_target": spent <= epsilon,
        "calibration_seconds": seconds,
        "asked_again_seconds": again,
    }
