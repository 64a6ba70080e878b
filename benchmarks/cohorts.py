"""Simulated test cohorts with a known truth: patients with 1 to 66 images, alike within a patient, scored by several trainings."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from dpmed_core.evaluation.scores.panel import Panel

MOST_IMAGES = 66
Floats = NDArray[np.float64]


def images_per_patient(n_patients: int) -> NDArray[np.intp]:
    """Images of each patient: half have one, a few have many, one has 66 (as in public sets of follow-up radiographs)."""
    ranks = (np.arange(n_patients) + 0.5) / n_patients
    images = np.clip(np.floor(np.exp(0.15 + 1.5 * norm.ppf(ranks))), 1, MOST_IMAGES).astype(np.intp)
    images[-1] = MOST_IMAGES
    return images


def separation(auroc: float | Floats) -> Floats:
    """Distance of the class means, in standard deviations, of a binormal score with this AUROC."""
    return np.asarray(np.sqrt(2) * norm.ppf(auroc))


@dataclass(frozen=True)
class Cohort:
    """Who is in a simulated test set.

    Attributes:
        patients: patient of each image.
        labels: `[n_findings, n_cases]`.
        rng: for the scores.
        correlation: within a patient, of labels' and of scores' latent values.
    """

    patients: NDArray[np.intp]
    labels: Floats
    rng: np.random.Generator
    correlation: float

    @classmethod
    def draw(cls, rng: np.random.Generator, *, n_patients: int, n_findings: int, correlation: float, prevalence: float) -> "Cohort":
        """A cohort whose labels are alike within a patient."""
        patients = np.repeat(np.arange(n_patients), images_per_patient(n_patients))
        empty = cls(patients, np.zeros((n_findings, len(patients))), rng, correlation)
        return cls(patients, (empty.noise(n_findings) > norm.isf(prevalence)).astype(float), rng, correlation)

    def noise(self, n_rows: int) -> Floats:
        """Standard normal rows `[n_rows, n_cases]` with the cohort's correlation within patients."""
        of_patient = self.rng.normal(size=(n_rows, int(self.patients[-1]) + 1))[:, self.patients]
        return np.sqrt(self.correlation) * of_patient + np.sqrt(1 - self.correlation) * self.rng.normal(size=of_patient.shape)

    def panel(self, scores: Floats, epsilons: list[float], who: pd.DataFrame | None = None) -> Panel:
        """A panel of runs with `scores` `[n_runs, n_findings, n_cases]` and target `epsilons`, NaN without privacy."""
        runs = pd.DataFrame(
            {"run_id": [f"r{i}" for i in range(len(scores))], "recipe": "simulated", "unit": "patient", "epsilon": epsilons}
        )
        runs = runs.assign(epsilon_spent=runs["epsilon"], delta=1e-5, accountant="none", seed=range(len(scores)))
        runs.loc[runs["epsilon"].isna(), "delta"] = np.nan
        findings = tuple(f"finding{i}" for i in range(len(self.labels)))
        cases = pd.DataFrame(index=range(len(self.patients))) if who is None else who
        return Panel(runs, findings, cases, self.patients, int(self.patients[-1]) + 1, self.labels, scores)
