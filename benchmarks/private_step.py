"""The private training step against the ordinary one, same network, films and optimizer."""

import warnings

import numpy as np
import torch

from benchmarks.pairs import timed_in_turns
from dpmed_core.training.dpsgd import Stepper, make_stepper
from dpmed_core.training.entropy import SecureRandom
from dpmed_core.training.loop import LoopSettings, TrainingData, take_step
from dpmed_core.training.recipes import BATCH_UNITS, FILM_SIDE, LEARNING_RATE, MAX_GRAD_NORM, build_paper

FILMS_PER_PATIENT = 2
N_FINDINGS = 8


def rows() -> list[dict[str, object]]:
    """One step of recipe `paper` over a batch of patients, every patient sampled."""
    warnings.filterwarnings("ignore", message="Full backward hook is firing")
    generator = torch.Generator().manual_seed(0)
    n_films = BATCH_UNITS * FILMS_PER_PATIENT
    data = TrainingData(
        films=torch.randn(n_films, 1, FILM_SIDE, FILM_SIDE, generator=generator),
        labels=torch.randint(0, 2, (n_films, N_FINDINGS), generator=generator).float(),
        films_of=np.split(np.arange(n_films), BATCH_UNITS),
    )
    settings = LoopSettings(1, 1.0, BATCH_UNITS, FILMS_PER_PATIENT, MAX_GRAD_NORM, 1.0, LEARNING_RATE)
    random = SecureRandom()
    private, plain = _stepper(1.0), _stepper(None)
    pair = timed_in_turns(
        lambda: take_step(private, data, settings, random),
        lambda: take_step(plain, data, settings, random),
    )
    case = f"{BATCH_UNITS} patients of {FILMS_PER_PATIENT} films"
    return [{"case": case, "variant": "private", "time_ratio": pair.ours_seconds / pair.peer_seconds}]


def _stepper(noise_multiplier: float | None) -> Stepper:
    model = build_paper(n_findings=N_FINDINGS, seed=0)
    optimizer = torch.optim.NAdam(model.parameters(), lr=LEARNING_RATE)
    return make_stepper(model, optimizer, noise_multiplier=noise_multiplier, max_grad_norm=MAX_GRAD_NORM, expected_units=BATCH_UNITS)
