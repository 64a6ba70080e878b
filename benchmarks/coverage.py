"""Coverage of 95 % intervals on simulated cohorts: of a single AUROC and the mean over findings; of paired differences: `paired_cost`."""

import sys
from collections.abc import Iterator
from itertools import product

import numpy as np

from benchmarks.cohorts import Cohort, separation
from dpmed_core.evaluation.metrics.auroc import AUROC
from dpmed_core.evaluation.metrics.measured import Measured, measure
from dpmed_core.evaluation.scores.design import Design
from dpmed_core.evaluation.scores.grouping import group_cases
from dpmed_core.evaluation.scores.panel import Panel
from dpmed_core.evaluation.scores.panel_design import PanelDesign
from dpmed_core.evaluation.statistics.auroc import auroc_by_group
from dpmed_core.evaluation.statistics.intervals import on_logit

N_PATIENTS, CORRELATIONS, PREVALENCES, AUROCS = (264, 53), (0.0, 0.3, 0.6), (0.1, 0.3), (0.75, 0.9, 0.985)
N_FINDINGS = 3
SHARED_BY_FINDINGS = 0.5
"""Share of a score's noise that the findings of an image have in common."""
INTERVALS = ("single", "macro", "naive")


def draw(rng: np.random.Generator, *, n_patients: int, correlation: float, prevalence: float, auroc: float) -> Panel:
    """A cohort scored by one model."""
    cohort = Cohort.draw(rng, n_patients=n_patients, n_findings=N_FINDINGS, correlation=correlation, prevalence=prevalence)

    common, own = cohort.noise(1), cohort.noise(N_FINDINGS)
    noise = np.sqrt(SHARED_BY_FINDINGS) * common + np.sqrt(1 - SHARED_BY_FINDINGS) * own
    return cohort.panel(np.stack([separation(auroc) * cohort.labels + noise]), [np.nan])


def intervals(panel: Panel) -> dict[str, tuple[float, float]]:
    """Each of `INTERVALS`; NaN where the product gives a reason instead of an interval."""
    measured = measure(AUROC, PanelDesign(panel))
    low, high = measured.intervals(0)
    return {
        "single": (low[0, 0], high[0, 0]),
        "macro": (low[-1, 0], high[-1, 0]),
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
    true = dict.fromkeys(INTERVALS, truth["auroc"])
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
