"""Recipe `probe`: fixed public features, a private linear head; numpy alone, so that pages can train it too.

Nothing but the head's noisy sums depends on training labels or images together: each image's features come from that image and public data.
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
from dpmed_core.training.accounting.full_batch import guarantee_full_batch
from dpmed_core.training.accounting.gaussian_dp import gaussian_mu
from dpmed_core.training.dpsgd.secure_random import SecureRandom
from dpmed_core.training.encoders.card import COMPONENTS
from dpmed_core.training.encoders.features import compute_features, leading, public_features
from dpmed_core.training.fitted import Explainable, FittedModel, StoredModel
from dpmed_core.training.privacy_units import training_units
from dpmed_core.training.recipes.linear_head import Head, HeadSettings, head_data, train_heads
from dpmed_core.training.result import PrivacyGuarantee, RunResult, TrainedModel
from dpmed_core.training.scores import held_out_rows, scores_table
from dpmed_core.training.session import TrainingSession
from dpmed_core.training.spec import RunSpec

BIAS_ENTRY = 0.1
MOMENT_SHARE = 0.1
"""What the moments cost, as a share of the steps."""
STEPS = (20, 100)
LEARNING_PER_STEP = 100.0
LEARNING, LEARNING_POWER, MOST_LEARNING = 1000.0, 0.7, 12_000.0
"""Learning rate times steps at 200 informative units, how it grows with them, and its end."""
BOUND, BOUND_POWER, LARGEST_BOUND, UNITS_OF_BOUND = 0.3, 0.6, 1.0, 1000
"""Clipping bound; how it grows beyond so many informative units, where clipping would cost more than noise; and its end."""
TWIN_STEPS, UNITS_PER_TWIN_STEP, TWIN_LEARNING_RATE = (60, 600), 8, 60.0
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
        return ProbePlan(reference_settings(n_units), components_of(spec, n_units=n_units, n_findings=n_findings), 0.0, None)
    mu = gaussian_mu(spec.privacy)
    informative = informative_units(mu, n_units=n_units, n_findings=n_findings)
    settings = private_settings(informative)
    steps = round(settings.charged_steps)
    noise_multiplier = math.sqrt(steps) / mu
    guarantee = guarantee_full_batch(
        spec.privacy,
        noise_multiplier=noise_multiplier,
        steps=steps,
        max_grad_norm=settings.max_grad_norm or math.inf,
        unit=spec.unit,
        n_units=n_units,
    )
    return ProbePlan(settings, components_of(spec, n_units=n_units, n_findings=n_findings), noise_multiplier, guarantee)


def components_of(spec: RunSpec, *, n_units: int, n_findings: int) -> tuple[tuple[str, int], ...]:
    """The components that a run's head reads, from the spec and public counts."""
    if spec.privacy is None:
        return tuple(COMPONENTS.items())
    return components_for(informative_units(gaussian_mu(spec.privacy), n_units=n_units, n_findings=n_findings))


def informative_units(mu: float, *, n_units: int, n_findings: int) -> float:
    """Training units over the noise of a finding's gradient: what noise leaves of the cohort's size; public."""
    return n_units * mu / math.sqrt(n_findings)


def private_settings(informative: float) -> HeadSettings:
    """How a private head is trained: little and carefully where noise is large, long and hardly clipped where it is small."""
    learning = min(MOST_LEARNING, LEARNING * (informative / 200) ** LEARNING_POWER)
    steps = int(np.clip(round(learning / LEARNING_PER_STEP), *STEPS))
    bound = min(LARGEST_BOUND, BOUND * max(1.0, (informative / UNITS_OF_BOUND) ** BOUND_POWER))
    return HeadSettings(steps, learning / steps, max_grad_norm=bound, moment_steps=round(MOMENT_SHARE * steps), bias=BIAS_ENTRY)


def reference_settings(n_units: int) -> HeadSettings:
    """How a head without privacy is trained: the longer, the more units it can learn from without learning them by heart."""
    steps = int(np.clip(n_units // UNITS_PER_TWIN_STEP, *TWIN_STEPS))
    return HeadSettings(steps, TWIN_LEARNING_RATE, max_grad_norm=None, moment_steps=0, bias=BIAS_ENTRY)


def components_for(informative: float) -> tuple[tuple[str, int], ...]:
    """Leading components of each kind of feature: the more, the less the noise of a finding's gradient weighs."""
    wanted = {kind: int(informative / each) for kind, each in UNITS_PER_COMPONENT.items()}
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
        features: public features of all images.
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


def rebuild_probe(stored: StoredModel) -> FittedModel:
    """The trained head of a run of recipe `probe`, on the public encoder."""
    head = Head(*(np.asarray(stored.weights[name], dtype=np.float64) for name in ("weights", "offset", "centre")))
    n_findings = len(head.offset)
    components = dict(components_of(stored.spec, n_units=stored.result.n_train_units, n_findings=n_findings))

    def score_features(features: NDArray[np.floating]) -> NDArray[np.float64]:
        return head.probabilities(leading(np.asarray(features, dtype=np.float32), components))

    def score(images: NDArray[np.generic]) -> NDArray[np.float64]:
        return score_features(compute_features(images, stored.modality, stored.encoders_dir))

    def explainable() -> Explainable:
        from dpmed_core.training.recipes.probe_network import explainable_probe

        return explainable_probe(stored.encoders_dir, stored.modality, components, head)

    def untrained(seed: int) -> Explainable:
        from dpmed_core.training.recipes.probe_network import explainable_probe, random_head

        return explainable_probe(stored.encoders_dir, stored.modality, components, random_head(head, seed))

    return FittedModel(score, explainable, untrained, score_features)
