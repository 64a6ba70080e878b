"""Coverage of 95 % intervals on simulated cohorts: of a single AUROC, the mean over findings, and a paired difference."""

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
"""Shares of a score's noise that the findings of an image, and the private model and its reference, have in common."""
LOST = 0.3
"""The private model loses this share of the distance of the AUROC from 1."""
INTERVALS = ("single", "macro", "difference", "naive")


def draw(rng: np.random.Generator, *, n_patients: int, correlation: float, prevalence: float, auroc: float) -> Panel:
    """A cohort scored by a non-private reference (run 0) and a private model (run 1)."""
    cohort = Cohort.draw(rng, n_patients=n_patients, n_findings=N_FINDINGS, correlation=correlation, prevalence=prevalence)

    def noise() -> np.ndarray:
        return np.sqrt(SHARED_BY_FINDINGS) * cohort.noise(1) + np.sqrt(1 - SHARED_BY_FINDINGS) * cohort.noise(N_FINDINGS)

    common = noise()
    both = [np.sqrt(SHARED_BY_RUNS) * common + np.sqrt(1 - SHARED_BY_RUNS) * noise() for _ in range(2)]
    aurocs = (auroc, auroc - LOST * (1 - auroc))
    return cohort.panel(np.stack([separation(a) * cohort.labels + n for a, n in zip(aurocs, both, strict=True)]), [np.nan, 1.0])


def intervals(panel: Panel) -> dict[str, tuple[float, float]]:
    """Each of `INTERVALS`; NaN where the product gives a reason instead of an interval."""
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
    """The interval as if every image were of a different patient, where the product gives an interval."""
    images = np.arange(len(panel.patients))
    grouping = group_cases(panel.cases, (), images, n_patients=len(images))
    value, influence = auroc_by_group(panel.scores[0, 0], Design.of(panel.labels[0], grouping))
    # DeLong's variance, carried to the logit by its slope, with the normal quantile: degrees of freedom without end.
    variance = np.square(influence).sum() / np.square(np.maximum(value * (1 - value), 1e-9))
    low, high = on_logit(value, variance, np.full(1, 1e6), np.full(1, float(len(images))))
    return (float(low[0]), float(high[0])) if not measured.reasons[0, 0] else (np.nan, np.nan)


def coverage_row(n_cohorts: int, **truth: float) -> dict[str, object]:
    """Coverage and mean width of each interval, and the share of cohorts with too few patients."""
    true = {"single": truth["auroc"], "macro": truth["auroc"], "difference": -LOST * (1 - truth["auroc"]), "naive": truth["auroc"]}
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in INTERVALS}
    for number in range(n_cohorts):
        for name, ends in intervals(draw(np.random.default_rng([3, number]), **truth)).items():  # type: ignore[arg-type]
            found[name].append(ends)
    row: dict[str, object] = dict(truth)
    for name, pairs in found.items():
        low, high = np.array(pairs).T
        known = ~np.isnan(low)
        row[f"{name} coverage"] = float(((low <= true[name]) & (true[name] <= high))[known].mean()) if known.any() else np.nan
        row[f"{name} width"] = float((high - low)[known].mean()) if known.any() else np.nan
        row.setdefault("too few", float(1 - known.mean()))
    return row


def coverage_rows(n_cohorts: int) -> Iterator[dict[str, object]]:
    """The table, row by row."""
    for n_patients, correlation, prevalence, auroc in product(N_PATIENTS, CORRELATIONS, PREVALENCES, AUROCS):
        yield coverage_row(n_cohorts, n_patients=n_patients, correlation=correlation, prevalence=prevalence, auroc=auroc)


def main() -> None:
    """Print the table as Markdown; `python -m benchmarks.coverage 1000`."""
    n_cohorts = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    for number, row in enumerate(coverage_rows(n_cohorts)):
        if number == 0:
            sys.stdout.write("| " + " | ".join(row) + " |\n|" + "---|" * len(row) + "\n")
        sys.stdout.write("| " + " | ".join(f"{value:.3g}" for value in row.values()) + " |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
