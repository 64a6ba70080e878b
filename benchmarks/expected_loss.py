"""The law of the loss to expect (`evaluation/planning/loss_law.py`): fitted to trainings on public proxies, and written beside it.

`python -m benchmarks.expected_loss [N_DESIGNS]` measures, fits and writes; 400 designs take about 25 minutes on one core. Nothing is fitted
to a cohort on which `benchmarks.planner` tests the law.

Fit. Weighted least squares of the private AUROC on informative units and the reference's AUROC, the weights from the two parts of the
residual variance, s^2 (d AUROC / d e)^2 + floor^2, which are estimated by maximum likelihood in turn. Each proxy is then left out and
predicted from the others; `spread` is widened until 90 % of the cells of left-out proxies, each proxy counting alike, lie in their
intervals.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import least_squares, minimize

from benchmarks.proxies import ADULT_SEED, adult_patients
from benchmarks.proxy_trainings import ALTERED, FITTED_ON, Task, drawn_cells, group_variances
from dpmed_core.evaluation.planning.informative_units import TrainingDesign, informative_units
from dpmed_core.evaluation.planning.loss_law import LAW_FILE, LossLaw, auroc_of, separation
from dpmed_core.phantoms.chest.population import draw_population
from dpmed_core.training.recipes.catalogue import PROBE
from dpmed_core.training.spec import PrivacyTarget

N_DESIGNS = 400
REFERENCES = (0.58, 0.99)
"""Cells whose reference is outside are left out: there is next to nothing to lose, or nothing to see."""
SHAPE = ("intercept", "slope", "separation_slope", "ceiling")
NORMAL_90 = 1.6448536269514722
Floats = NDArray[np.float64]


def proxy_tasks() -> list[Task]:
    """The proxies with their features."""
    return [Task.of(draw()) for draw in FITTED_ON.values()]


def measure(tasks: Sequence[Task], n_designs: int) -> pd.DataFrame:
    """The cells of `n_designs` random designs, with informative units and the information of their labels."""
    return with_units(pd.DataFrame(drawn_cells(tasks, n_designs=n_designs, seed=0)))


def measure_group_share(tasks: Sequence[Task]) -> float:
    """The variance between trainings of a difference between groups, sex and age from 60 on, over that of the AUROC itself."""
    found = np.zeros(2)
    for task in tasks:
        if task.name in ALTERED:
            of_image = draw_population(len(task.units), seed=ADULT_SEED).iloc[np.argsort(adult_patients(len(task.units)), kind="stable")]
            for groups in (of_image["sex"] == "F", of_image["age"] >= 60):
                for epsilon in (2.0, 8.0):
                    found += group_variances(task, groups.to_numpy(), 600, epsilon, np.random.default_rng(3))
    return float(found[1] / found[0])


def with_units(cells: pd.DataFrame) -> pd.DataFrame:
    """`cells` with the columns units and label_information."""
    units = pd.Series(np.nan, index=cells.index)
    for _, group in cells.groupby(["design", "epsilon"]):
        first = group.iloc[0]
        design = TrainingDesign(int(first["n_units"]), float(first["images_per_unit"]), tuple(group["prevalence"]))
        target = PrivacyTarget(float(first["epsilon"]), float(first["delta"]))
        units[group.index] = [informative_units(design, k, target) for k in range(len(group))]
    return cells.assign(units=units, label_information=cells["n_units"] * cells["prevalence"] * (1 - cells["prevalence"]))


def fit(cells: pd.DataFrame, group_share: float) -> LossLaw:
    """The law of these cells."""
    used = cells[cells["auroc_reference"].between(*REFERENCES)]
    law = _with_trainings(_reachable(_share_kept(used, _start(used)), used), used)
    return replace(law, spread=law.spread * _widening(used, law), group_share=group_share)


def _start(used: pd.DataFrame) -> LossLaw:
    about = {name: 0.0 for name in LossLaw.__dataclass_fields__}
    known = {"recipe_version": PROBE.version, "n_cells": len(used), "least_units": float(used["units"].quantile(0.01))}
    shape = {"intercept": -6.0, "slope": 1.7, "ceiling": 0.95, "spread": 1.0, "floor": 0.02, "most_units": float(used["units"].max())}
    return LossLaw(**{**about, **known, **shape})  # type: ignore[arg-type]


def _share_kept(used: pd.DataFrame, law: LossLaw) -> LossLaw:
    """The numbers of `SHAPE`, with the two parts of the spread."""
    seen = used["auroc"].to_numpy()
    for _ in range(6):
        deviation = np.sqrt(_residual_variance(used, law))

        def residuals(numbers: Floats, law: LossLaw = law, deviation: Floats = deviation) -> Floats:
            one = replace(law, **dict(zip(SHAPE, map(float, numbers), strict=True)))
            return np.asarray((_predicted(used, one) - seen) / deviation)

        found = least_squares(residuals, [getattr(law, name) for name in SHAPE], loss="soft_l1", f_scale=1.5).x
        law = replace(law, **dict(zip(SHAPE, map(float, found), strict=True)))
        squares = np.square(_predicted(used, law) - seen)

        def likelihood(logs: Floats, law: LossLaw = law, squares: Floats = squares) -> float:
            variance = _residual_variance(used, replace(law, spread=float(np.exp(logs[0])), floor=float(np.exp(logs[1]))))
            return float(np.sum(np.log(variance) + squares / variance))

        logs = minimize(likelihood, np.log([law.spread, law.floor]), method="Nelder-Mead").x
        law = replace(law, spread=float(np.exp(logs[0])), floor=float(np.exp(logs[1])))
    return law


def _predicted(used: pd.DataFrame, law: LossLaw, error: float = 0.0) -> Floats:
    """The private AUROC of each cell, given the reference's."""
    apart = separation(used["auroc_reference"])
    return auroc_of(law.kept(used["units"], apart, error) * apart)


def _residual_variance(used: pd.DataFrame, law: LossLaw) -> Floats:
    """What spread and floor, and the cells' own errors, leave between a cell and its prediction."""
    step = 0.05
    slope = (_predicted(used, law, step) - _predicted(used, law, -step)) / (2 * step)
    return np.asarray(np.square(law.spread * slope) + law.floor**2 + np.square(used["loss_error"].to_numpy()))


def _widening(used: pd.DataFrame, law: LossLaw) -> float:
    """By how much the spread must be larger for 90 % coverage of proxies that were left out."""
    scores, weights = [], []
    for name in used["task"].unique():
        own, others = used[used["task"] == name], used[used["task"] != name]
        without = _share_kept(others, law)
        same = replace(without, spread=law.spread, floor=law.floor)
        z = np.abs(_predicted(own, same) - own["auroc"]) / np.sqrt(_residual_variance(own, same))
        scores.append(z)
        weights.append(np.full(len(own), 1 / len(own)))
    z, weight = np.concatenate(scores), np.concatenate(weights)
    order = np.argsort(z)
    reached = np.cumsum(weight[order]) / weight.sum()
    return max(1.0, float(z[order][np.searchsorted(reached, 0.9)]) / NORMAL_90)


def _reachable(law: LossLaw, used: pd.DataFrame) -> LossLaw:
    """The separation without privacy against the log of the labels' information, one point a finding of a design."""
    each = used.groupby(["design", "finding"]).first()
    x, y = np.log(each["label_information"].to_numpy()), separation(each["auroc_reference"].to_numpy())
    slope, intercept = np.polyfit(x, y, 1)
    spread = float(np.std(y - intercept - slope * x, ddof=2))
    return replace(law, reachable_intercept=float(intercept), reachable_slope=float(slope), reachable_spread=spread)


def _with_trainings(law: LossLaw, used: pd.DataFrame) -> LossLaw:
    """Variance between trainings against the expected loss, and correlations of errors against the share that is kept."""
    loss = np.maximum(used["auroc_reference"] - _predicted(used, law), 1e-3).to_numpy()
    variance = used["training_variance"].to_numpy()

    def misfit(numbers: Floats) -> Floats:
        foreseen = np.exp(numbers[0]) * loss ** numbers[1]
        return np.asarray((variance - foreseen) / (foreseen + 1e-5))

    scale, power = least_squares(misfit, [-2.0, 2.0], loss="soft_l1").x
    kept = np.log(np.clip(law.kept(used["units"], separation(used["auroc_reference"])) / law.ceiling, 1e-3, 1))

    def exponent(name: str) -> float:
        return float(least_squares(lambda k: np.exp(k * kept) - used[name].to_numpy(), [1.0]).x[0])

    powers = {"trainings_power": exponent("correlation_trainings"), "arms_power": exponent("correlation_reference")}
    return replace(law, training_scale=float(np.exp(scale)), training_power=float(power), **powers)


def main(n_designs: int = N_DESIGNS) -> None:
    """Measure, fit and write."""
    tasks = proxy_tasks()
    write(measure(tasks, n_designs), measure_group_share(tasks))


def write(cells: pd.DataFrame, group_share: float, where: Path = LAW_FILE) -> None:
    """Fit the law of `cells` and write it, with what it was fitted to."""
    about = {
        "made_by": "python -m benchmarks.expected_loss",
        "proxies": list(FITTED_ON),
        "designs": int(cells["design"].nunique()),
        "training_units": [int(cells["n_units"].min()), int(cells["n_units"].max())],
        "epsilon": [round(float(cells["epsilon"].min()), 2), round(float(cells["epsilon"].max()), 2)],
        "prevalence": [round(float(cells["prevalence"].min()), 3), round(float(cells["prevalence"].max()), 3)],
    }
    law = {name: round(value, 5) if isinstance(value, float) else value for name, value in vars(fit(cells, group_share)).items()}
    where.write_text(json.dumps({"measured": about, "law": law}, indent=1) + "\n")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
