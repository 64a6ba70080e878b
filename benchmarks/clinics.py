"""A synthetic clinic that phantoms flatter little: the proxy on which the start at the phantom network's outputs was fixed.

Its bodies have any measures (those of domain randomisation), findings are faint, opacities that bear no name here lie beside them,
radiographs are cropped and coarse with other tones, lines and letters, a tenth of the labels is wrong, and few patients have very unequal
numbers of radiographs.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.proxies import SIDE, Proxy, at_side, with_lines
from dpmed_core.phantoms.chest.anatomy import Grid
from dpmed_core.phantoms.chest.population import COMORBIDITIES, FINDINGS, draw_population
from dpmed_core.phantoms.chest.radiograph import attenuation, exposed
from dpmed_core.training.encoders.synthetic_radiographs import OPACITIES, draw_any_body, draw_opacities

SEED = 906
N_IMAGES, N_PATIENTS = 1000, 264
FAINTNESS, OPACITY_SHARE, WRONG_SHARE = 0.45, 0.2, 0.1
CLINIC_FINDINGS = {
    "cardiomegaly": ("cardiomegaly",),
    "congestion": ("congestion",),
    "effusion": ("pleural_effusion_right", "pleural_effusion_left"),
    "pneumonic_infiltrates": ("pneumonic_infiltrates_right", "pneumonic_infiltrates_left"),
    "atelectasis": ("atelectasis_right", "atelectasis_left"),
}
"""The phantoms' findings that make up each finding of the clinic, of either side."""


def clinic() -> Proxy:
    """The clinic's radiographs, labels of `CLINIC_FINDINGS` and patients."""
    rng = np.random.default_rng(SEED)
    weights = rng.pareto(1.1, N_PATIENTS) + 1
    patients = np.sort(rng.choice(N_PATIENTS, N_IMAGES, p=weights / weights.sum()))
    population = draw_population(N_IMAGES, seed=SEED)
    of_patient = population.groupby("patient").first().reset_index()
    facts = ["age", "sex", *COMORBIDITIES]
    population[facts] = of_patient.loc[patients % len(of_patient), facts].to_numpy()
    population["portable"] = (rng.random(N_IMAGES) < 0.5).astype(int)
    drawn = population.infer_objects()
    radiographs = np.stack([_radiograph(drawn.iloc[i], np.random.default_rng([SEED, i])) for i in range(N_IMAGES)])
    labels = np.stack([drawn[list(of)].max(axis=1) for of in CLINIC_FINDINGS.values()], axis=1).astype(np.float32)
    wrong = rng.random(labels.shape) < WRONG_SHARE
    numbered = np.asarray(pd.factorize(patients)[0], dtype=np.intp)
    return Proxy("clinic", radiographs, np.where(wrong, 1 - labels, labels).astype(np.float32), numbered, 0.8)


def _radiograph(patient: pd.Series, rng: np.random.Generator) -> NDArray[np.uint8]:
    """One radiograph `[SIDE, SIDE]`."""
    severity = {finding: FAINTNESS * float(patient[f"severity_{finding}"]) for finding in FINDINGS}
    body, grid = draw_any_body(rng, severity), Grid.of(SIDE)
    amounts = {name: float(rng.uniform(0.1, 0.6) * (rng.random() < OPACITY_SHARE)) for name in OPACITIES}
    attenuated = attenuation(grid, body, severity, rng) + draw_opacities(grid, body, amounts, rng)
    picture = exposed((rng.uniform(0.8, 1.2) * attenuated).astype(np.float32), patient, "encoder", rng)
    picture = np.clip((picture - rng.uniform(-0.15, 0.15)) * rng.uniform(0.7, 1.15), 0, 1) ** rng.uniform(0.6, 1.6)
    top, left, bottom, right = (int(rng.integers(0, most)) for most in (9, 7, 5, 7))
    return with_lines(at_side(picture[top : SIDE - bottom, left : SIDE - right], int(rng.integers(24, 60))), rng)
