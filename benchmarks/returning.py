"""How models answer when patients come back, on real radiographs. `python -m benchmarks returning`.

`nih1000` (real) is read from the folder that DPMED_REAL_COHORTS names. Rows of kind

    table      one budget and unit: 411 later images of 136 of 264 patients whose earlier images trained, with processor seconds
    repeats    budgets of unit patient again and again: how many later images shift, and how many do by chance

About ten minutes on one core.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.exposure import BUDGETS, N_REPEATS, N_TRAININGS, nih
from benchmarks.recipes import DELTA
from dpmed_core.privacy.exposure.exposure_rows import Arm
from dpmed_core.privacy.returning.ordered_images import OrderedImages
from dpmed_core.privacy.returning.returning_rows import ReturningRow, returning_rows
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit

REPEATED = (0.1, 0.5, 1.0, 2.0, 8.0)


def rows() -> list[dict[str, object]]:
    """All rows; none where the folder of real radiographs is not named."""
    named = os.environ.get("DPMED_REAL_COHORTS")
    return list(_on_nih(Path(named))) if named else []


def _on_nih(folder: Path) -> Iterator[dict[str, object]]:
    everything, _ = nih(folder)
    images = OrderedImages.of(everything, np.arange(len(everything.patients), dtype=np.float64))  # they come in the order of follow-up
    yield from table(images)
    yield from repeats(images)


def table(images: OrderedImages) -> Iterator[dict[str, object]]:
    """Both units at all budgets with their references, and last the processor seconds of all."""
    arms = [Arm(unit, target) for unit in PrivacyUnit for target in (None, *(PrivacyTarget(e, DELTA) for e in BUDGETS))]
    began = time.process_time()
    found = returning_rows(images, arms, n_trainings=N_TRAININGS, rng=np.random.default_rng(1))
    seconds = time.process_time() - began
    yield from ({"kind": "table", **row.to_fields()} for row in found)
    yield {"kind": "table", "unit": "all", "cpu_seconds": seconds}


def repeats(images: OrderedImages) -> Iterator[dict[str, object]]:
    """For each budget of `REPEATED`, `N_REPEATS` measurements of unit patient: their counts of shifted images, in rising order."""
    arms = [Arm(PrivacyUnit.PATIENT, PrivacyTarget(epsilon, DELTA)) for epsilon in REPEATED]
    found: list[list[ReturningRow]] = []
    for number in range(N_REPEATS):
        found.append(returning_rows(images, arms, n_trainings=N_TRAININGS, rng=np.random.default_rng([2, number])))
    for at, arm in enumerate(arms):
        of_arm = [row[at] for row in found]
        yield {
            "kind": "repeats",
            "epsilon": arm.target.epsilon if arm.target else None,
            "n": N_REPEATS,
            "shifted": sorted(row.shifted for row in of_arm),
            "control_shifted": sorted(row.control_shifted for row in of_arm),
            "largest_shift": max(row.largest_shift for row in of_arm),
            "control_largest_shift": max(row.control_largest_shift for row in of_arm),
        }
