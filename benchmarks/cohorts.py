"""Simulated test cohorts with known true values: patients with 1 to 66 correlated images, and scores of several training runs."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from dpmed_core.evaluation.scores.panel import Panel

MOST_IMAGES = 66
Floats = NDArray[np.float64]


def images_per_patient(n_patients: int) -> NDArray[np.intp]:
    """Number of images of each patient, from a log-normal distribution: many patients have one, one has 66, as in public data sets."""
    ranks = (np.arange(n_patients) + 0.5) / n_patients
    images = np.clip(np.floor(np.exp(0.15 + 1.5 * norm.ppf(ranks))), 1, MOST_IMAGES).astype(np.intp)
    images[-1] = MOST_IMAGES
    return images


def separation(auroc: float | Floats) -> Floats:
    """Distance d of the class means of a binormal score with this AUROC, in standard deviations: AUROC = Phi(d / sqrt(2)).

    >>> separation(np.array([0.5, 0.8])).round(3)
    array([0.  , 1.19])
    """
    return np.asarray(np.sqrt(2) * norm.ppf(auroc))


@dataclass(frozen=True)
class Cohort:
    """A simulated test set.

    Attributes:
        patients: number of the patient of each image `[n_cases]`.
        labels: `[n_findings, n_cases]`.
        rng: generator of the scores.
        correlation: between the images of a patient, of the latent values of labels and of scores.
    """

    patients: NDArray[np.intp]
    labels: Floats
    rng: np.random.Generator
    correlation: float

    @classmethod
    def draw(cls, rng: np.random.Generator, *, n_patients: int, n_findings: int, correlation: float, prevalence: float) -> "Cohort":
        """A cohort whose labels are correlated within a patient: a label is positive if a correlated normal value exceeds a threshold."""
        patients = np.repeat(np.arange(n_patients), images_per_patient(n_patients))
        empty = cls(patients, np.zeros((n_findings, len(patients))), rng, correlation)
        return cls(patients, (empty.noise(n_findings) > norm.isf(prevalence)).astype(float), rng, correlation)

    def noise(self, n_rows: int) -> Floats:
        """Standard normal values `[n_rows, n_cases]` with the cohort's correlation within patients: a shared and an independent part."""
        of_patient = self.rng.normal(size=(n_rows, int(self.patients[-1]) + 1))[:, self.patients]
        return np.sqrt(self.correlation) * of_patient + np.sqrt(1 - self.correlation) * self.rng.normal(size=of_patient.shape)

    def panel(self, scores: Floats, epsilons: list[float], who: pd.DataFrame | None = None) -> Panel:
        """A panel of runs.

        Args:
            scores: `[n_runs, n_findings, n_cases]`.
            epsilons: privacy budget of each run; NaN for a non-private reference.
            who: attributes of the cases; None for none.
        """
        runs = pd.DataFrame(
            {"run_id": [f"r{i}" for i in range(len(scores))], "recipe": "simulated", "unit": "patient", "epsilon": epsilons}
        )
        runs = runs.assign(epsilon_spent=runs["epsilon"], delta=1e-5, accountant="none", start=None, seed=range(len(scores)))
        runs.loc[runs["epsilon"].isna(), "delta"] = np.nan
        findings = tuple(f"finding{i}" for i in range(len(self.labels)))
        cases = pd.DataFrame(index=range(len(self.patients))) if who is None else who
        return Panel(runs, findings, cases, self.patients, int(self.patients[-1]) + 1, self.labels, scores)
