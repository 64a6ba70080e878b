"""Recipe `paper`: a network trained from scratch, every weight of it private.

Architecture, optimizer, clipping bound and batch are those of Tayebi Arasteh et al. 2024 (ResNet9 with group normalisation and Mish,
NAdam, 1.5, 128). For a small machine the channels are an eighth and the films 64 x 64 pixels; steps and learning rate were set on
synthetic films, never on a cohort's own validation part.
"""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dpmed_core.cohort.schema import Cohort, Split
from dpmed_core.training.accounting import calibrate_poisson, guarantee_poisson
from dpmed_core.training.fitted import Explainable, FittedModel, StoredModel
from dpmed_core.training.loop import LoopSettings, TrainingData, predict, steps_for, train_model
from dpmed_core.training.models import ResNet9, initial_weights
from dpmed_core.training.pixels import to_tensor
from dpmed_core.training.result import PrivacyGuarantee, RunResult, TrainedModel
from dpmed_core.training.scores import held_out_rows, scores_table
from dpmed_core.training.session import TrainingSession
from dpmed_core.training.spec import RunSpec
from dpmed_core.training.units import training_units

WIDTH = 0.125
FILM_SIDE = 64
MAX_GRAD_NORM = 1.5
BATCH_UNITS = 128
LARGEST_SAMPLE_RATE = 0.25
FILMS_PER_UNIT = 4
EPOCHS = 30
LEARNING_RATE = 2e-3


def train_paper(spec: RunSpec, cohort: Cohort, split: Split, *, session: TrainingSession) -> TrainedModel:
    """Train recipe `paper`, privately or not."""
    units = training_units(cohort, split, spec.unit)
    settings, guarantee = plan_paper(spec, n_units=len(units))
    session.plan(guarantee, settings.steps)
    model = build_paper(n_findings=len(cohort.findings), seed=spec.seed)
    elapsed = train_model(model, _training_data(cohort, units), settings, session=session)
    held_out = to_tensor(cohort.images[held_out_rows(split)], size=FILM_SIDE)
    return TrainedModel(
        result=RunResult(
            spec=spec,
            guarantee=guarantee,
            elapsed_seconds=elapsed,
            n_parameters=sum(p.numel() for p in model.parameters()),
            n_train_cases=sum(map(len, units)),
            n_train_units=len(units),
        ),
        scores=scores_table(cohort, split, predict(model, held_out)),
        weights={name: tensor.detach().cpu().numpy() for name, tensor in model.state_dict().items()},
    )


def plan_paper(spec: RunSpec, *, n_units: int) -> tuple[LoopSettings, PrivacyGuarantee | None]:
    """The settings of a run and what it will have spent; both depend on the spec and the public number of units alone."""
    sample_rate = min(LARGEST_SAMPLE_RATE, BATCH_UNITS / n_units)
    steps = steps_for(EPOCHS, sample_rate)
    guarantee = None
    if spec.privacy is not None:
        calibration = calibrate_poisson(spec.privacy, sample_rate=sample_rate, steps=steps)
        guarantee = guarantee_poisson(
            spec.privacy,
            calibration,
            sample_rate=sample_rate,
            steps=steps,
            max_grad_norm=MAX_GRAD_NORM,
            unit=spec.unit,
            n_units=n_units,
        )
    settings = LoopSettings(
        steps=steps,
        sample_rate=sample_rate,
        expected_units=sample_rate * n_units,
        films_per_unit=FILMS_PER_UNIT,
        max_grad_norm=MAX_GRAD_NORM,
        noise_multiplier=guarantee.noise_multiplier if guarantee else None,
        learning_rate=LEARNING_RATE,
    )
    return settings, guarantee


def build_paper(*, n_findings: int, seed: int) -> nn.Module:
    """The untrained network of recipe `paper`; its weights are a public function of `seed`."""
    return initial_weights(seed, ResNet9, width=WIDTH, n_out=n_findings)


def rebuild_paper(stored: StoredModel) -> FittedModel:
    """The trained network of a run of recipe `paper`."""
    n_findings = len(stored.weights["head.bias"])

    def network(weights: Mapping[str, np.ndarray] | None, seed: int) -> nn.Module:
        model = build_paper(n_findings=n_findings, seed=seed)
        if weights is not None:
            model.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in weights.items()})
        return model.eval()

    def explainable(weights: Mapping[str, np.ndarray] | None, seed: int) -> Explainable:
        model = network(weights, seed)
        return Explainable(model, _to_input, model.get_submodule("stages")[-1])  # type: ignore[index]

    return FittedModel(
        score=lambda images: predict(network(stored.weights, 0), _to_input(images)),
        explainable=lambda: explainable(stored.weights, 0),
        untrained=lambda seed: explainable(None, seed),
    )


def _to_input(images: NDArray[np.generic]) -> torch.Tensor:
    return to_tensor(np.asarray(images, dtype=np.uint8), size=FILM_SIDE)


def _training_data(cohort: Cohort, units: list[NDArray[np.intp]]) -> TrainingData:
    rows = np.concatenate(units)
    ends = np.cumsum([len(unit) for unit in units])
    films_of = np.split(np.arange(len(rows)), ends[:-1])
    return TrainingData(
        films=to_tensor(cohort.images[rows], size=FILM_SIDE), labels=torch.from_numpy(cohort.labels[rows]), films_of=films_of
    )
