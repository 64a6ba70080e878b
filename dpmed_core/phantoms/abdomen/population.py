"""The synthetic patients of the CT cohort, and what each of their scans shows.

Sex, age and the frequency of tumours follow the counts printed in Tayebi Arasteh et al. 2024 (doi 10.1038/s43856-024-00462-6, table 1):
61 % men; tumours in 48 % of men and 61 % of women, and in 27, 56, 68 and 64 % of the four age quarters, youngest first.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

Variant = Literal["demo", "encoder", "advanced"]
PDAC = "pdac"
FINDINGS = (PDAC,)
COMORBIDITIES = ("diabetes", "chronic_pancreatitis", "obesity")
SCANS_PER_PATIENT = (0.80, 0.15, 0.05)
"""Shares of patients with one to three scans."""
SEED_DOMAINS: dict[Variant, int] = {"demo": 20_240_462, "encoder": 81_170_330, "advanced": 60_551_907}
"""First entry of every seed: the variants never share random numbers, whatever their seeds."""
SHARE_FEMALE = 0.39
AGES, LOG_ODDS_BY_AGE = (40.0, 60.0, 68.0, 80.0), (-1.3, 0.15, 0.85, 0.65)
"""Log-odds of a tumour at some ages; linear between them."""
LOG_ODDS_BY_SEX = {"F": 0.32, "M": -0.20}
"""Added to the log-odds by age."""
SITES, SITE_SHARES = ((0.0, 0.28), (0.42, 0.68), (0.72, 0.97)), (0.62, 0.22, 0.16)
"""Head, body and tail as ranges along the pancreas (0 to 1), and the share of tumours in each."""


@dataclass(frozen=True)
class Difficulty:
    """Parameters that decide how hard tumours are to detect.

    Attributes:
        radius: median radius of a tumour, mm, and the standard deviation of its logarithm.
        contrast: range of the contrast between tumour and gland, 1 = usual.
        isoattenuating: share of tumours with nearly the attenuation of the gland.
        obstruction: share of tumours outside the tail that dilate the duct upstream.
        mimic: scales the frequency of cysts, dilated ducts and focal inflammation in patients without a tumour.
    """

    radius: tuple[float, float]
    contrast: tuple[float, float]
    isoattenuating: float
    obstruction: float
    mimic: float


DIFFICULTY: dict[Variant, Difficulty] = {
    "demo": Difficulty(radius=(18.0, 0.26), contrast=(1.2, 1.9), isoattenuating=0.14, obstruction=0.95, mimic=0.15),
    "encoder": Difficulty(radius=(13.0, 0.40), contrast=(0.3, 1.6), isoattenuating=0.10, obstruction=0.60, mimic=0.35),
    "advanced": Difficulty(radius=(14.0, 0.30), contrast=(0.7, 1.4), isoattenuating=0.10, obstruction=0.40, mimic=0.25),
}
METASTASES_SHARE, ASCITES_SHARE, MIMICKED_SPREAD = 0.90, 0.85, 0.02
"""Of the variant "advanced": patients with a tumour that has metastases in the liver, or ascites; and patients without one who have
lesions or fluid that look the same."""
EARLY_SHARE = 0.3
"""Of the variant "advanced": scans of an earlier arterial phase than any of the encoder's."""


def draw_scans(n_cases: int, *, seed: int, variant: Variant = "demo") -> pd.DataFrame:
    """The scans of a synthetic population, one row per scan, patient by patient.

    Columns: patient and scan (whole numbers), age (whole years), sex ("F"/"M"), the co-morbidities and the finding (0/1); of the tumour
    site (0 = head, 1 = tail), radius_mm (0 = none) and contrast (1 = usual); duct_mm (radius of the dilated duct, 0 = none), atrophy
    (0 to 1), cyst_mm (radius), inflammation_mm (radius of a focal inflammation); and portal (0 = pancreatic phase, 1 = portal venous).

    Args:
        n_cases: number of scans.
        seed: each seed gives another population.
        variant: "demo" for the demo cohort; "encoder" for pretraining the public encoder, with other parameters and random numbers;
            "advanced" for a demo of what the encoder's phantoms never show: it has the columns metastases (number) and ascites_mm
            (thickness) as well, portal may be below 0 (an earlier arterial phase), and organs have another texture.
    """
    generator = np.random.default_rng([SEED_DOMAINS[variant], seed])
    # One patient per scan is drawn, which is enough: the scans of the last patients are cut off by `head`.
    patients = _patients(n_cases, DIFFICULTY[variant], generator)
    n_scans = 1 + generator.choice(len(SCANS_PER_PATIENT), size=n_cases, p=SCANS_PER_PATIENT)
    scans = patients.loc[patients.index.repeat(n_scans)].head(n_cases)
    scans.insert(1, "scan", scans.groupby("patient").cumcount())
    scans = scans.reset_index(drop=True)
    growth = generator.uniform(1.02, 1.2, n_cases) ** scans["scan"]  # a tumour grows from one scan to the next
    scans["radius_mm"] = (scans["radius_mm"] * growth).clip(upper=32).round(2)
    late = generator.random(n_cases) < (0.25 if variant == "demo" else 0.5)
    scans["portal"] = np.where(late, generator.uniform(0.7, 1.0, n_cases), generator.uniform(0.0, 0.3, n_cases)).round(3)
    return _advanced(scans, generator) if variant == "advanced" else scans


def _advanced(scans: pd.DataFrame, generator: np.random.Generator) -> pd.DataFrame:
    """`scans` with metastases and ascites, the same in all scans of a patient, and with earlier phases."""
    n_patients, of_scan = int(scans["patient"].max()) + 1, scans["patient"].to_numpy()
    ill = scans[PDAC].to_numpy(dtype=bool)
    spread = generator.random((n_patients, 2))[of_scan]
    number, thickness = generator.integers(3, 9, n_patients)[of_scan], generator.uniform(12, 26, n_patients)[of_scan]
    early = generator.random(len(scans)) < EARLY_SHARE
    return scans.assign(
        metastases=np.where(spread[:, 0] < np.where(ill, METASTASES_SHARE, MIMICKED_SPREAD), number, 0),
        ascites_mm=np.where(spread[:, 1] < np.where(ill, ASCITES_SHARE, MIMICKED_SPREAD), thickness, 0.0).round(2),
        portal=np.where(early, generator.uniform(-0.7, -0.2, len(scans)), scans["portal"]).round(3),
    )


def _patients(n: int, difficulty: Difficulty, generator: np.random.Generator) -> pd.DataFrame:
    """`n` patients with what stays the same in all their scans; co-morbidities are more frequent with the conditions they go with."""
    sex = np.where(generator.random(n) < SHARE_FEMALE, "F", "M")
    age = np.clip(np.rint(generator.normal(63, 13.5, n)), 20, 94)
    by_sex = np.where(sex == "F", LOG_ODDS_BY_SEX["F"], LOG_ODDS_BY_SEX["M"])
    tumour = generator.random(n) < _logistic(np.interp(age, AGES, LOG_ODDS_BY_AGE) + by_sex)
    obesity = generator.random(n) < 0.24
    pancreatitis = generator.random(n) < _logistic(-2.4 + 0.4 * (sex == "M") + 0.3 * tumour)
    diabetes = generator.random(n) < _logistic(-2.3 + 0.03 * (age - 60) + 0.8 * tumour + 0.7 * obesity + 0.9 * pancreatitis)
    patients = pd.DataFrame({"patient": np.arange(n), "age": age.astype(int), "sex": sex})
    for name, present in ((COMORBIDITIES[0], diabetes), (COMORBIDITIES[1], pancreatitis), (COMORBIDITIES[2], obesity), (PDAC, tumour)):
        patients[name] = present.astype(int)
    return patients.assign(**_pancreas_columns(patients, difficulty, generator))


def _pancreas_columns(patients: pd.DataFrame, difficulty: Difficulty, generator: np.random.Generator) -> dict[str, np.ndarray]:
    """The columns that describe each patient's pancreas, by name; `draw_scans` says what they mean."""
    n, tumour = len(patients), patients[PDAC].to_numpy(dtype=bool)
    inflamed, age = patients["chronic_pancreatitis"].to_numpy(dtype=bool), patients["age"].to_numpy()
    low, high = np.array(SITES)[generator.choice(len(SITES), size=n, p=SITE_SHARES)].T
    site = low + (high - low) * generator.random(n)
    median, spread = difficulty.radius
    radius = np.clip(median * np.exp(spread * generator.standard_normal(n)), 5, 30)
    contrast = np.where(
        generator.random(n) < difficulty.isoattenuating, generator.uniform(-0.1, 0.15, n), generator.uniform(*difficulty.contrast, n)
    )
    # A tumour in the tail has little duct upstream of it, so it dilates it less often.
    obstructed = tumour & (generator.random(n) < difficulty.obstruction * (1 - 0.6 * (site > 0.7)))
    widened = ~tumour & (generator.random(n) < difficulty.mimic * (0.4 + 0.5 * (age > 70) + 1.6 * inflamed))
    duct = np.where(obstructed, generator.uniform(2.0, 5.0, n), np.where(widened | inflamed, generator.uniform(1.2, 3.6, n), 0.0))
    atrophy = np.clip(0.008 * (age - 45) + 0.25 * inflamed + generator.normal(0, 0.08, n), 0, 0.75)
    cyst = np.where(generator.random(n) < difficulty.mimic * 0.4, generator.uniform(3, 11, n), 0.0)
    focal = ~tumour & (generator.random(n) < np.where(inflamed, 0.35, 0.04))
    return {
        "site": site.round(4),
        "radius_mm": np.where(tumour, radius, 0.0).round(2),
        "contrast": contrast.round(3),
        "duct_mm": duct.round(2),
        "atrophy": atrophy.round(3),
        "cyst_mm": cyst.round(2),
        "inflammation_mm": np.where(focal, generator.uniform(8, 20, n), 0.0).round(2),
    }


def _logistic(x: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-x)))
