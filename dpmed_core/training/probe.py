"""Recipe `probe`: fixed public features, a private linear head; numpy alone, so that pages can train it too.

Nothing but the head's noisy sums depends on training labels or films together: each film's features come from that film and public data.
Settings were fixed on public proxy tasks, one set for all cohorts (`docs/RESULTS.md`); the number of leading components depends on the
privacy target and the number of units and findings, which are public.

A run takes under a second, so it keeps no checkpoint: a killed attempt showed nothing and is taken again from the start, with fresh noise.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dpmed_core.cohort.schema import Cohort, Part, Split
from dpmed_core.training.encoder_card import COMPONENTS
from dpmed_core.training.entropy import SecureRandom
from dpmed_core.training.features import leading, public_features
from dpmed_core.training.gaussian import gaussian_mu
from dpmed_core.training.guarantees import guarantee_full_batch
from dpmed_core.training.head import Head, HeadSettings, head_data, train_heads
from dpmed_core.training.result import PrivacyGuarantee, RunResult, TrainedModel
from dpmed_core.training.scores import held_out_rows, scores_table
from dpmed_core.training.session import TrainingSession
from dpmed_core.training.spec import RunSpec
from dpmed_core.training.units import training_units

BOUND = 0.3
"""Clipping bound of gradients."""
PRIVATE = HeadSettings(steps=20, learning_rate=60.0, max_grad_norm=BOUND, moment_steps=2, bias=0.1)
TWIN = HeadSettings(steps=200, learning_rate=60.0, max_grad_norm=None, moment_steps=2, bias=0.1)
FEWEST_COMPONENTS = {"narrow": 32, "wide": 16, "scattering": 16}
UNITS_PER_COMPONENT = {"narrow": 1.0, "wide": 4.0, "scattering": 1.0}
"""Units, less what noise takes away of them, for each leading component."""


@dataclass(frozen=True)
class ProbePlan:
    """How a head is trained; everything in it follows from the spec and public counts.

    Attributes:
        settings: of the head.
        components: leading components of each kind of feature.
        noise_multiplier: 0 without privacy.
        guarantee: what the training spends; None without privacy.
    """

    settings: HeadSettings
    components: tuple[tuple[str, int], ...]
    noise_multiplier: float
    guarantee: PrivacyGuarantee | None


def train_probe(
    spec: RunSpec, cohort: Cohort, split: Split, *, session: TrainingSession, features_dir: Path, encoders_dir: Path
) -> TrainedModel:
    """Train recipe `probe`, privately or not."""
    units = training_units(cohort, split, spec.unit)
    plan = plan_probe(spec, n_units=len(units), n_findings=len(cohort.findings))
    session.plan(plan.guarantee, charged_steps(plan))
    session.step(0, charged_steps(plan))
    features = public_features(cohort, features_dir=features_dir, encoders_dir=encoders_dir)
    session.step(0, charged_steps(plan))
    return train_planned([spec], [plan], cohort, split, features=features, units=units)[0]


def plan_probe(spec: RunSpec, *, n_units: int, n_findings: int) -> ProbePlan:
    """The plan of a run; it depends on the spec and the public numbers of units and findings alone."""
    if spec.privacy is None:
        return ProbePlan(TWIN, tuple(COMPONENTS.items()), 0.0, None)
    mu, steps = gaussian_mu(spec.privacy), round(PRIVATE.charged_steps)
    noise_multiplier = math.sqrt(steps) / mu
    guarantee = guarantee_full_batch(
        spec.privacy, noise_multiplier=noise_multiplier, steps=steps, max_grad_norm=BOUND, unit=spec.unit, n_units=n_units
    )
    return ProbePlan(PRIVATE, components_for(mu, n_units=n_units, n_findings=n_findings), noise_multiplier, guarantee)


def components_for(mu: float, *, n_units: int, n_findings: int) -> tuple[tuple[str, int], ...]:
    """Leading components of each kind of feature: the more, the less the noise of a finding's gradient weighs."""
    informative_units = n_units * mu / math.sqrt(n_findings)
    wanted = {kind: int(informative_units / each) for kind, each in UNITS_PER_COMPONENT.items()}
    return tuple((kind, min(most, max(FEWEST_COMPONENTS[kind], wanted[kind]))) for kind, most in COMPONENTS.items())


def charged_steps(plan: ProbePlan) -> int:
    """Steps that a training is charged with: those it takes, and what the moments cost."""
    return round(plan.settings.charged_steps)


def train_planned(
    specs: Sequence[RunSpec],
    plans: Sequence[ProbePlan],
    cohort: Cohort,
    split: Split,
    *,
    features: NDArray[np.float32],
    units: list[NDArray[np.intp]],
) -> list[TrainedModel]:
    """The models of `specs`, which share their units; those whose plans differ in noise alone in one product.

    Args:
        specs: the questions.
        plans: their plans, from `plan_probe`.
        cohort: the data.
        split: who is held out.
        features: public features of all films.
        units: training units.
    """
    models: dict[int, TrainedModel] = {}
    for settings, components in {(plan.settings, plan.components) for plan in plans}:
        chosen = [i for i, plan in enumerate(plans) if (plan.settings, plan.components) == (settings, components)]
        began = time.monotonic()
        seen = leading(features, dict(components))
        data = head_data(seen, cohort.labels, units)
        heads = train_heads(data, settings, [plans[i].noise_multiplier for i in chosen], SecureRandom())
        seconds = (time.monotonic() - began) / len(chosen)
        held_out = seen[held_out_rows(split)]
        for i, head in zip(chosen, heads, strict=True):
            models[i] = _model(specs[i], plans[i], head, cohort, split, held_out, n_units=len(units), seconds=seconds)
    return [models[i] for i in range(len(specs))]


def _model(
    spec: RunSpec,
    plan: ProbePlan,
    head: Head,
    cohort: Cohort,
    split: Split,
    held_out: NDArray[np.float32],
    *,
    n_units: int,
    seconds: float,
) -> TrainedModel:
    return TrainedModel(
        result=RunResult(
            spec=spec,
            guarantee=plan.guarantee,
            elapsed_seconds=seconds,
            n_parameters=head.weights.size + head.offset.size,
            n_train_cases=int((split.parts == Part.TRAIN.value).sum()),
            n_train_units=n_units,
        ),
        scores=scores_table(cohort, split, head.probabilities(held_out)),
        weights={"weights": head.weights, "offset": head.offset, "centre": head.centre},
    )
