"""How often 95 % intervals hold the truth, on simulated cohorts: a single AUROC, the mean over findings, a paired difference."""

import sys
from collections.abc import Iterator
from itertools import product

import numpy as np

from benchmarks.cohorts import Cohort, separation
from dpmed_core.evaluation.metrics.auroc import AUROC
from dpmed_core.evaluation.metrics.measured import Measured, measure
from dpmed_core.evaluation.scores.design import Design
from dpmed_core.evaluation.scores.grouping import EVERYBODY, group_cases
from dpmed_core.evaluation.scores.panel import Panel
from dpmed_core.evaluation.scores.panel_design import PanelDesign
from dpmed_core.evaluation.statistics.auroc import auroc_by_group
from dpmed_core.evaluation.statistics.intervals import on_logit
from dpmed_core.evaluation.tables.cost_of_privacy import cost_rows

N_PATIENTS, CORRELATIONS, PREVALENCES, AUROCS = (264, 53), (0.0, 0.3, 0.6), (0.1, 0.3), (0.75, 0.9, 0.985)
N_FINDINGS = 3
SHARED_BY_FINDINGS, SHARED_BY_RUNS = 0.5, 0.8
"""Shares of a score's noise that the findings of an image, and the private model and its twin, have in common."""
LOST = 0.3
"""The private model loses this share of what is missing to 1."""
WHAT = ("single", "macro", "difference", "naive")


def draw(rng: np.random.Generator, *, n_patients: int, correlation: float, prevalence: float, auroc: float) -> Panel:
    """A cohort scored by a twin (run 0) and a private model (run 1)."""
    cohort = Cohort.draw(rng, n_patients=n_patients, n_findings=N_FINDINGS, correlation=correlation, prevalence=prevalence)

    def noise() -> np.ndarray:
        return np.sqrt(SHARED_BY_FINDINGS) * cohort.noise(1) + np.sqrt(1 - SHARED_BY_FINDINGS) * cohort.noise(N_FINDINGS)

    common = noise()
    both = [np.sqrt(SHARED_BY_RUNS) * common + np.sqrt(1 - SHARED_BY_RUNS) * noise() for _ in range(2)]
    aurocs = (auroc, auroc - LOST * (1 - auroc))
    return cohort.panel(np.stack([separation(a) * cohort.labels + n for a, n in zip(aurocs, both, strict=True)]), [np.nan, 1.0])


def intervals(panel: Panel) -> dict[str, tuple[float, float]]:
    """Each interval of `WHAT`; NaN where the product says "too few"."""
    measured = measure(AUROC, PanelDesign(panel))
    low, high = measured.intervals(0)
    costs = cost_rows(AUROC, [measured], [EVERYBODY], margin=0.02).iloc[0]
    return {
        "single": (low[0, 0], high[0, 0]),
        "macro": (low[-1, 0], high[-1, 0]),
        "difference": (costs["difference_low"], costs["difference_high"]),
        "naive": naive(panel, measured),
    }


def naive(panel: Panel, measured: Measured) -> tuple[float, float]:
    """The interval that takes every image for a patient of its own, where the product gives one."""
    images = np.arange(len(panel.patients))
    grouping = group_cases(panel.cases, (), images, n_patients=len(images))
    value, influence = auroc_by_group(panel.scores[0, 0], Design.of(panel.labels[0], grouping))
    variance = np.square(influence).sum() / np.square(np.maximum(value * (1 - value), 1e-9))
    low, high = on_logit(value, variance, np.full(1, 1e6), np.full(1, float(len(images))))
    return (float(low[0]), float(high[0])) if not measured.reasons[0, 0] else (np.nan, np.nan)


def cell(n_cohorts: int, **truth: float) -> dict[str, object]:
    """Coverage and mean width of each interval, and the share of cohorts with too few patients."""
    true = {"single": truth["auroc"], "macro": truth["auroc"], "difference": -LOST * (1 - truth["auroc"]), "naive": truth["auroc"]}
    found: dict[str, list[tuple[float, float]]] = {what: [] for what in WHAT}
    for number in range(n_cohorts):
        for what, ends in intervals(draw(np.random.default_rng([3, number]), **truth)).items():  # type: ignore[arg-type]
            found[what].append(ends)
    row: dict[str, object] = dict(truth)
    for what, pairs in found.items():
        low, high = np.array(pairs).T
        known = ~np.isnan(low)
        row[f"{what} coverage"] = float(((low <= true[what]) & (true[what] <= high))[known].mean()) if known.any() else np.nan
        row[f"{what} width"] = float((high - low)[known].mean()) if known.any() else np.nan
        row.setdefault("too few", float(1 - known.mean()))
    return row


def cells(n_cohorts: int) -> Iterator[dict[str, object]]:
    """The table, row by row."""
    for n_patients, correlation, prevalence, auroc in product(N_PATIENTS, CORRELATIONS, PREVALENCES, AUROCS):
        yield cell(n_cohorts, n_patients=n_patients, correlation=correlation, prevalence=prevalence, auroc=auroc)


def main() -> None:
    """Print the table as Markdown; `python -m benchmarks.coverage 1000`."""
    n_cohorts = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    for number, row in enumerate(cells(n_cohorts)):
        if number == 0:
            sys.stdout.write("| " + " | ".join(row) + " |\n|" + "---|" * len(row) + "\n")
        sys.stdout.write("| " + " | ".join(f"{value:.3g}" for value in row.values()) + " |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
