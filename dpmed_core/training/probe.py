"""Recipe `probe`: fixed public features, a private linear head.

Nothing but the head's noised gradient sums depends on training labels or films together: each film's features come from that film and
public data, are brought to norm 1 (so one film cannot pull harder than another) and get a constant entry as bias. Settings were set on
synthetic films of other patients than the demo's, one setting for all cohorts (`docs/RESULTS.md`).

A run takes under a second, so it keeps no checkpoint: a killed attempt showed nothing and is taken again from the start, with fresh noise.
"""

import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dpmed_core.cohort.schema import Cohort, Split
from dpmed_core.training.accounting import calibrate_full_batch, guarantee_full_batch
from dpmed_core.training.entropy import SecureRandom
from dpmed_core.training.features import public_features
from dpmed_core.training.head import HeadSettings, head_data, head_probabilities, train_head
from dpmed_core.training.result import PrivacyGuarantee, RunResult, TrainedModel
from dpmed_core.training.scores import held_out_rows, scores_table
from dpmed_core.training.session import TrainingSession
from dpmed_core.training.spec import RunSpec
from dpmed_core.training.units import training_units

BIAS_ENTRY = 0.3
MAX_GRAD_NORM = 0.3
MOMENTUM = 0.9
PRIVATE_STEPS, PRIVATE_LEARNING_RATE = 40, 3.0
TWIN_STEPS, TWIN_LEARNING_RATE = 150, 2.0


def train_probe(
    spec: RunSpec, cohort: Cohort, split: Split, *, session: TrainingSession, features_dir: Path, encoders_dir: Path
) -> TrainedModel:
    """Train recipe `probe`, privately or not."""
    began = time.monotonic()
    units = training_units(cohort, split, spec.unit)
    settings, guarantee = plan_probe(spec, n_units=len(units))
    session.plan(guarantee, settings.steps)
    session.step(0, settings.steps)
    features = head_features(public_features(cohort, features_dir=features_dir, encoders_dir=encoders_dir))
    session.step(0, settings.steps)
    weights = train_head(head_data(features, cohort.labels, units), settings, SecureRandom())
    probabilities = head_probabilities(features[held_out_rows(split)], weights, settings.prior)
    return TrainedModel(
        result=RunResult(
            spec=spec,
            guarantee=guarantee,
            elapsed_seconds=time.monotonic() - began,
            n_parameters=weights.size,
            n_train_cases=sum(map(len, units)),
            n_train_units=len(units),
        ),
        scores=scores_table(cohort, split, probabilities),
        weights={"weights": weights},
    )


def plan_probe(spec: RunSpec, *, n_units: int) -> tuple[HeadSettings, PrivacyGuarantee | None]:
    """The settings of a run and what it will have spent; both depend on the spec and the public number of units alone."""
    if spec.privacy is None:
        return HeadSettings(TWIN_STEPS, TWIN_LEARNING_RATE, MOMENTUM, max_grad_norm=None, noise_multiplier=0.0), None
    noise_multiplier = calibrate_full_batch(spec.privacy, steps=PRIVATE_STEPS)
    guarantee = guarantee_full_batch(
        spec.privacy,
        noise_multiplier=noise_multiplier,
        steps=PRIVATE_STEPS,
        max_grad_norm=MAX_GRAD_NORM,
        unit=spec.unit,
        n_units=n_units,
    )
    return HeadSettings(PRIVATE_STEPS, PRIVATE_LEARNING_RATE, MOMENTUM, MAX_GRAD_NORM, noise_multiplier), guarantee


def head_features(features: NDArray[np.float32]) -> NDArray[np.float64]:
    """Each film's features brought to norm 1, and a constant entry."""
    x = np.asarray(features, dtype=np.float64)
    x = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-9)
    return np.concatenate([x, np.full((len(x), 1), BIAS_ENTRY)], axis=1)
