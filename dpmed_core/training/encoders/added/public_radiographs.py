"""Synthetic radiographs over which an added encoder's features are standardised and reduced: never a cohort's.

Half are the phantoms' variant "encoder", half domain-randomised ones, as for the encoders that ship with DPMed, with random numbers of
their own; both are augmented as those were.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dpmed_core.phantoms.chest.population import draw_population
from dpmed_core.phantoms.chest.radiograph import render_radiographs
from dpmed_core.training.encoders.augmentation import augment, augment_lightly
from dpmed_core.training.encoders.network_input import CENTRE, SPREAD, to_tensor
from dpmed_core.training.encoders.synthetic_radiographs import draw_randomised_radiographs

N_RADIOGRAPHS, SIDE, SEED = 640, 128, 23
"""Radiographs; pixels of their side, which show bodies and findings as a stored radiograph does; the seed of everything random."""


def draw_public_radiographs(n_images: int = N_RADIOGRAPHS, *, side: int = SIDE, workers: int = 1) -> NDArray[np.uint8]:
    """`n_images` radiographs `[n_images, side, side]`, 8-bit, the same at every call."""
    half = n_images // 2
    population = draw_population(half, seed=SEED, variant="encoder")
    phantoms = render_radiographs(population, size=side, seed=SEED, variant="encoder", workers=workers)
    randomised, _ = draw_randomised_radiographs(n_images - half, size=side, seed=SEED, workers=workers)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        changed = [_stored(augment_lightly(to_tensor(phantoms, size=side))), _stored(augment(to_tensor(randomised, size=side)))]
    return np.concatenate(changed)


def _stored(radiographs: Tensor) -> NDArray[np.uint8]:
    grey = (radiographs[:, 0] * SPREAD + CENTRE).clamp(0, 1)
    return np.asarray(torch.round(grey * 255).to(torch.uint8).numpy())
