"""The planner's expected loss against what trainings lost, on cohorts that the law was not fitted to; `python -m benchmarks planner`.

`nih1000` and `pneumoniamnist` (real) are read from the folder that DPMED_REAL_COHORTS names; `demo` is the product's synthetic demo cohort,
drawn anew. A realised loss is the mean over random splits and trainings, and its standard error tells how well it is known. Predictions
read the number of training units and, of held-out images, labels and the number of a patient's images: what `plan` reads.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.proxy_trainings import Task, measured_cells
from benchmarks.recipes import DELTA, NIH_FINDINGS, features_of, nih, pneumonia
from dpmed_core.evaluation.planning.informative_units import TrainingDesign, informative_units
from dpmed_core.evaluation.planning.loss_law import loss_law
from dpmed_core.phantoms.chest.population import FINDINGS, draw_population
from dpmed_core.phantoms.chest.radiograph import render_radiographs
from dpmed_core.training.spec import PrivacyTarget

DEMO_IMAGES, DEMO_SEED = 2400, 77
N_TRAININGS = 4


def rows() -> list[dict[str, object]]:
    """One row a cell; last, how many cells lie in their interval, and the median width."""
    cells = list(_cells())
    inside = [bool(cell["inside"]) for cell in cells]
    widths = [float(str(cell["width"])) for cell in cells]
    return [*cells, {"cohort": f"{sum(inside)} of {len(cells)} inside", "width": float(np.median(widths))}]


def _cells() -> Iterator[dict[str, object]]:
    """The twelve cells, or those of the demo cohort alone where no real ones are named."""
    named = os.environ.get("DPMED_REAL_COHORTS")
    if named:
        radiographs, labels, patients = nih(Path(named))
        task = _task("nih1000", radiographs, labels, patients)
        yield from _compared(task, NIH_FINDINGS.index("effusion"), 200, (1.0, 3.0, 8.0), n_splits=40)
        radiographs, labels, _ = pneumonia(Path(named))
        task = _task("pneumoniamnist", radiographs, labels, np.arange(len(labels)))
        yield from _compared(task, 0, 500, (1.0, 8.0), n_splits=12)
        yield from _compared(task, 0, 3000, (1.0, 8.0), n_splits=8)
    population = draw_population(DEMO_IMAGES, seed=DEMO_SEED)
    radiographs = render_radiographs(population, size=64, seed=DEMO_SEED)
    patients = np.asarray(pd.factorize(population["patient"])[0])
    task = _task("demo", radiographs, population[list(FINDINGS)].to_numpy(float), patients)
    yield from _compared(task, FINDINGS.index("cardiomegaly"), 300, (3.0, 8.0), n_splits=12)
    yield from _compared(task, FINDINGS.index("cardiomegaly"), 800, (1.0, 3.0, 8.0), n_splits=12)


def _task(name: str, radiographs: np.ndarray, labels: np.ndarray, patients: np.ndarray) -> Task:
    order = np.argsort(patients, kind="stable")
    return Task(name, features_of(radiographs)[order], labels[order].astype(float), patients[order])


def _compared(task: Task, finding: int, n_units: int, epsilons: Sequence[float], *, n_splits: int) -> Iterator[dict[str, object]]:
    """The cells of one cohort and number of training units."""
    rng = np.random.default_rng([n_units, len(task.labels)])
    cells = measured_cells(task, n_units, epsilons, rng, n_splits=n_splits, n_seeds=N_TRAININGS)
    for epsilon in epsilons:
        of_epsilon = [cell for cell in cells if cell["epsilon"] == epsilon]
        prevalences = tuple(float(str(cell["prevalence_held_out"])) for cell in of_epsilon)
        design = TrainingDesign(n_units, float(str(of_epsilon[finding]["images_per_unit_held_out"])), prevalences)
        units = informative_units(design, finding, PrivacyTarget(epsilon, DELTA))
        p = prevalences[finding]
        expected = loss_law().expected(units, label_information=n_units * p * (1 - p))
        loss = float(str(of_epsilon[finding]["loss"]))
        yield {
            "cohort": task.name,
            "n_units": n_units,
            "epsilon": epsilon,
            "informative_units": units,
            "auroc_reference": of_epsilon[finding]["auroc_reference"],
            "realised": loss,
            "realised_error": of_epsilon[finding]["loss_error"],
            "expected": expected.loss,
            "low": expected.low,
            "high": expected.high,
            "width": expected.high - expected.low,
            "inside": expected.low <= loss <= expected.high,
        }
