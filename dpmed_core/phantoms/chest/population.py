"""The synthetic patients of the radiograph cohort, and what each of their radiographs shows."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

Variant = Literal["demo", "encoder"]

FINDINGS = (
    "cardiomegaly",
    "congestion",
    "pleural_effusion_right",
    "pleural_effusion_left",
    "pneumonic_infiltrates_right",
    "pneumonic_infiltrates_left",
    "atelectasis_right",
    "atelectasis_left",
)
"""The eight findings of Tayebi Arasteh et al. 2024, doi 10.1038/s43856-024-00462-6; right and left are the patient's."""

COMORBIDITIES = ("heart_failure", "copd", "diabetes")
IMAGES_PER_PATIENT = (0.27, 0.30, 0.22, 0.13, 0.08)
"""Shares of patients with one to five radiographs."""


@dataclass(frozen=True)
class Difficulty:
    """Parameters that decide how hard findings are to detect.

    Attributes:
        prevalence_shift: added to every finding's log-odds.
        severity: parameters (a, b) of the Beta distribution of a present finding's severity.
        mimic: largest severity of the similar appearance that an absent finding may have.
        mimic_share: share of absent findings with such an appearance.
        persistence: correlation, between the radiographs of a patient, of the latent variable behind a finding.
    """

    prevalence_shift: float
    severity: tuple[float, float]
    mimic: float
    mimic_share: float
    persistence: float


DIFFICULTY: dict[Variant, Difficulty] = {
    "demo": Difficulty(prevalence_shift=0.0, severity=(1.5, 1.5), mimic=0.42, mimic_share=0.45, persistence=0.6),
    "encoder": Difficulty(prevalence_shift=1.0, severity=(1.5, 1.2), mimic=0.25, mimic_share=0.4, persistence=0.3),
}
SEED_DOMAINS: dict[Variant, int] = {"demo": 20_240_300, "encoder": 77_010_500}
"""First entry of every seed: the two variants never share random numbers, whatever their seeds."""


def draw_population(n_cases: int, *, seed: int, variant: Variant = "demo") -> pd.DataFrame:
    """The radiographs of a synthetic population, one row per radiograph, patient by patient.

    Columns: patient (whole number), age (whole years), sex ("F"/"M"), portable (0/1), the co-morbidities and findings (0/1),
    and for each finding `severity_<finding>` in [0, 1], which may be above 0 for an absent finding with a similar appearance.

    Args:
        n_cases: number of radiographs.
        seed: each seed gives another population.
        variant: "demo" for the demo cohort; "encoder" for pretraining the public encoder, with other parameters and random numbers.
    """
    generator = np.random.default_rng([SEED_DOMAINS[variant], seed])
    patients = _patients(n_cases, generator)
    radiographs = patients.loc[patients.index.repeat(patients["n_images"])].head(n_cases).drop(columns="n_images").reset_index(drop=True)
    difficulty = DIFFICULTY[variant]
    radiographs["portable"] = (
        generator.random(n_cases) < 0.15 + 0.25 * radiographs["heart_failure"] + 0.15 * (radiographs["age"] > 75)
    ).astype(int)
    for finding in FINDINGS:
        present = _present(radiographs, finding, difficulty, generator)
        radiographs[finding] = present.astype(int)
        radiographs[f"severity_{finding}"] = _severity(present, radiographs, difficulty, generator)
    return radiographs


def _patients(n_cases: int, generator: np.random.Generator) -> pd.DataFrame:
    """As many patients as radiographs are wanted, which is enough since each has at least one."""
    n = n_cases
    female = generator.random(n) < 0.46
    age = np.clip(np.rint(20 + 75 * generator.beta(2.7, 1.7, n)), 20, 95)
    heart_failure = generator.random(n) < _logistic(-4.6 + 0.05 * age)
    copd = generator.random(n) < _logistic(-4.0 + 0.036 * age + 0.3 * ~female)
    diabetes = generator.random(n) < _logistic(-3.6 + 0.036 * age)
    n_images = 1 + generator.choice(5, size=n, p=IMAGES_PER_PATIENT)
    return pd.DataFrame(
        {
            "patient": np.arange(n),
            "age": age.astype(int),
            "sex": np.where(female, "F", "M"),
            "heart_failure": heart_failure.astype(int),
            "copd": copd.astype(int),
            "diabetes": diabetes.astype(int),
            "n_images": n_images,
        }
    )


def _log_odds(radiographs: pd.DataFrame, finding: str) -> pd.Series:
    """The log-odds of a finding on each radiograph, given age, co-morbidities and portable technique; plausible values, not estimates."""
    age, failure, copd, diabetes = (
        (radiographs["age"] - 60) / 10,
        radiographs["heart_failure"],
        radiographs["copd"],
        radiographs["diabetes"],
    )
    if finding == "cardiomegaly":
        return -0.9 + 0.25 * age + 1.6 * failure + 0.3 * diabetes - 0.3 * copd
    if finding == "congestion":
        return -1.7 + 0.2 * age + 2.0 * failure
    if finding.startswith("pleural_effusion"):
        return -1.7 + 0.25 * age + 1.2 * failure + 0.3 * (finding.endswith("right"))
    if finding.startswith("pneumonic_infiltrates"):
        return -1.6 + 0.1 * age + 0.7 * copd + 0.5 * diabetes
    return -1.5 + 0.15 * age + 0.6 * copd + 0.4 * radiographs["portable"]


def _present(radiographs: pd.DataFrame, finding: str, difficulty: Difficulty, generator: np.random.Generator) -> np.ndarray:
    """Whether each radiograph shows the finding.

    A latent normal variable, correlated by `persistence` between a patient's radiographs, is compared with a threshold.
    """
    own = generator.standard_normal(len(radiographs))
    shared = generator.standard_normal(int(radiographs["patient"].max()) + 1)[radiographs["patient"]]
    latent = np.sqrt(difficulty.persistence) * shared + np.sqrt(1 - difficulty.persistence) * own
    threshold = _log_odds(radiographs, finding).to_numpy() + difficulty.prevalence_shift
    # A normal distribution with a standard deviation of 1.702 approximates the logistic one, so the threshold acts as log-odds.
    # Source: Camilli 1994, J Educ Behav Stat 19:293, doi 10.3102/10769986019003293.
    return np.asarray(1.702 * latent + threshold > 0)


def _severity(present: np.ndarray, radiographs: pd.DataFrame, difficulty: Difficulty, generator: np.random.Generator) -> np.ndarray:
    """Severity of each finding in [0, 1]: at least 0.12 if it is present, else 0 or that of a similar appearance."""
    n = len(radiographs)
    shown = 0.12 + 0.88 * generator.beta(*difficulty.severity, n)
    # Portable radiographs have more appearances that resemble a finding.
    looks_alike = generator.random(n) < difficulty.mimic_share + 0.12 * radiographs["portable"].to_numpy()
    mimic = np.where(looks_alike, difficulty.mimic * generator.random(n), 0.0)
    return np.where(present, shown, mimic).round(4)


def _logistic(x: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-x)))
