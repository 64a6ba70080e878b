"""Recipe `probe`: fixed public features and a linear head; NumPy alone, so that pages can train it too.

Only the head's noisy sums combine images or labels of several training patients: each image's features come from that image and public
data. Settings were fixed on public proxy tasks, one set for all cohorts (`docs/RESULTS.md`). Those that differ between runs follow from the
privacy target and from the numbers of units and findings, which are treated as public.

A run takes under a second, so that it needs no checkpoint: a killed attempt has released nothing and starts again, with fresh noise.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dpmed_core.cohort.schema import Cohort, Part, Split
from dpmed_core.training.accounting.full_batch import guarantee_full_batch, nothing_spent
from dpmed_core.training.accounting.gaussian_dp import gaussian_mu
from dpmed_core.training.dpsgd.secure_random import SecureRandom
from dpmed_core.training.encoders.card import COMPONENTS
from dpmed_core.training.encoders.components import leading_components
from dpmed_core.training.encoders.joined_features import compute_joined, joined_features
from dpmed_core.training.fitted import Explainable, FittedModel, StoredModel
from dpmed_core.training.privacy_units import training_units
from dpmed_core.training.recipes.added_components import with_added
from dpmed_core.training.recipes.head import Head
from dpmed_core.training.recipes.linear_head import head_data, train_heads
from dpmed_core.training.recipes.probe_settings import (
    NO_STEPS,
    HeadSettings,
    components_for,
    private_settings,
    reference_settings,
    signal_to_noise,
)
from dpmed_core.training.result import PrivacyGuarantee, RunResult, TrainedModel
from dpmed_core.training.scores import held_out_rows, scores_table
from dpmed_core.training.session import TrainingSession
from dpmed_core.training.spec import RunSpec
from dpmed_core.training.starts.public_network import PublicNetwork
from dpmed_core.training.starts.start import HeadStart, start_from_tensors
from dpmed_core.training.starts.start_of_run import start_of
from dpmed_core.training.starts.start_store import StartStore

START_PREFIX = "start."
"""Names of the tensors of a public start among a model's weights."""


@dataclass(frozen=True)
class ProbePlan:
    """How a head is trained; everything in it follows from the run's specification and public counts.

    Attributes:
        settings: of the head.
        components: number of leading components of each kind of feature.
        noise_multiplier: standard deviation of the noise over the clipping bound; 0 without privacy.
        guarantee: of the whole training; None without privacy.
    """

    settings: HeadSettings
    components: tuple[tuple[str, int], ...]
    noise_multiplier: float
    guarantee: PrivacyGuarantee | None


def train_probe(
    spec: RunSpec,
    cohort: Cohort,
    split: Split,
    *,
    session: TrainingSession,
    features_dir: Path,
    encoders_dir: Path,
    starts: StartStore | None = None,
    added_dir: Path | None = None,
) -> TrainedModel:
    """The head that `spec` asks for, trained privately or not; see `train.train` for the arguments."""
    start = head_start_of(spec, cohort, starts)  # first: a run whose start is gone spends nothing
    units = training_units(cohort, split, spec.unit)
    plan = plan_probe(spec, n_units=len(units), n_findings=len(cohort.findings))
    session.plan(plan.guarantee, accounted_steps(plan))
    session.step(0, accounted_steps(plan))  # here and below: features may take minutes to compute, and a user may cancel meanwhile
    features = joined_features(
        cohort,
        spec.encoder,
        features_dir=features_dir,
        encoders_dir=encoders_dir,
        added_dir=added_dir or encoders_dir,
        progress=lambda *_: session.step(0, accounted_steps(plan)),
        with_outputs=reads_outputs(start),
    )
    session.step(0, accounted_steps(plan))
    session.charge_all()  # all steps are taken at once and no checkpoint is kept
    return train_as_planned([spec], [plan], cohort, split, features=features, units=units, start=start)[0]


def plan_probe(spec: RunSpec, *, n_units: int, n_findings: int) -> ProbePlan:
    """The plan of a run; it depends on the specification and the public numbers of units and findings alone."""
    if spec.privacy is None:
        return ProbePlan(reference_settings(n_units), components_of(spec, n_units=n_units, n_findings=n_findings), 0.0, None)
    if spec.privacy.learns_nothing:
        return ProbePlan(NO_STEPS, tuple(COMPONENTS.items()), 0.0, nothing_spent(spec.unit, n_units=n_units))
    mu = gaussian_mu(spec.privacy)
    settings = private_settings(signal_to_noise(mu, n_units=n_units, n_findings=n_findings))
    steps = round(settings.accounted_steps)
    # Steps and the release of means compose to one Gaussian mechanism with mu = sqrt(steps) / noise multiplier (`linear_head`).
    noise_multiplier = math.sqrt(steps) / mu
    guarantee = guarantee_full_batch(
        spec.privacy,
        noise_multiplier=noise_multiplier,
        steps=steps,
        max_grad_norm=settings.max_grad_norm or math.inf,  # never None in private settings
        unit=spec.unit,
        n_units=n_units,
    )
    return ProbePlan(settings, components_of(spec, n_units=n_units, n_findings=n_findings), noise_multiplier, guarantee)


def components_of(spec: RunSpec, *, n_units: int, n_findings: int) -> tuple[tuple[str, int], ...]:
    """The components that a run's head reads, from its specification and public counts; all of them without privacy."""
    if spec.privacy is not None and spec.privacy.learns_nothing:
        return tuple(COMPONENTS.items())
    if spec.privacy is None:
        return with_added(tuple(COMPONENTS.items()), spec.encoder, math.inf)
    ratio = signal_to_noise(gaussian_mu(spec.privacy), n_units=n_units, n_findings=n_findings)
    return with_added(components_for(ratio), spec.encoder, ratio)


def accounted_steps(plan: ProbePlan) -> int:
    """Full-batch steps that cost as much as the whole training: the steps it takes, and the cost of the release of means."""
    return round(plan.settings.accounted_steps)


def head_start_of(spec: RunSpec, cohort: Cohort, starts: StartStore | None) -> HeadStart | None:
    """The start of a run of recipe `probe`; raises as `start_of` does."""
    start = start_of(spec, cohort, starts)
    assert not isinstance(start, PublicNetwork)  # `start_of` refuses a start of another recipe
    return start


def reads_outputs(start: HeadStart | None) -> bool:
    """Whether the features of a run must have the phantom network's outputs behind them."""
    return start is not None and start.reads_outputs


def train_as_planned(
    specs: Sequence[RunSpec],
    plans: Sequence[ProbePlan],
    cohort: Cohort,
    split: Split,
    *,
    features: NDArray[np.float32],
    units: list[NDArray[np.intp]],
    start: HeadStart | None = None,
) -> list[TrainedModel]:
    """The models of `specs`, in their order; those whose plans differ in noise alone are trained in one matrix product.

    Args:
        specs: specifications that share cohort, split, unit and start.
        plans: their plans, from `plan_probe`.
        cohort: the data.
        split: says which cases are held out.
        features: of all of the cohort's images, `[n_cases, n_features]`, with the added encoder's where the runs name one, and the
            outputs that the start reads.
        units: for each training unit, the rows of its images.
        start: the public start, from `head_start_of`.
    """
    models: dict[int, TrainedModel] = {}  # by position in `specs`, which groups of equal plans do not follow
    own = None if start is None else start.own_features(features)
    rows = held_out_rows(split)
    for settings, components in {(plan.settings, plan.components) for plan in plans}:
        chosen = [i for i, plan in enumerate(plans) if (plan.settings, plan.components) == (settings, components)]
        began = time.monotonic()
        read = leading_components(features, dict(components))
        if start is not None and settings.steps == 0:
            heads = [_alone(start)] * len(chosen)
        else:
            data = head_data(read, cohort.labels, units, own=own)
            noise, start_weights = [plans[i].noise_multiplier for i in chosen], None if start is None else start.start_weights
            heads = train_heads(data, settings, noise, SecureRandom(), start_weights=start_weights)
        seconds = (time.monotonic() - began) / len(chosen)  # an equal share: the runs of a product cannot be timed separately
        held_out, own_held_out = read[rows], None if own is None else own[rows]
        for i, head in zip(chosen, heads, strict=True):
            models[i] = TrainedModel(
                result=RunResult(
                    spec=specs[i],
                    guarantee=plans[i].guarantee,
                    elapsed_seconds=seconds,
                    n_parameters=head.n_parameters if settings.steps else 0,
                    n_train_cases=int((split.parts == Part.TRAIN.value).sum()) if settings.steps else 0,
                    n_train_units=len(units),
                ),
                scores=scores_table(cohort, split, head.probabilities(held_out, own_held_out)),
                weights=_tensors(head, start),
            )
    return [models[i] for i in range(len(specs))]


def _alone(start: HeadStart) -> Head:
    """The start as a head of its own: what it gives before anything is learnt from the cohort."""
    n_features, n_findings = sum(COMPONENTS.values()), len(start.spread)
    return Head(np.zeros((n_features, n_findings)), start.middle, np.zeros(n_features), start.start_weights)


def _tensors(head: Head, start: HeadStart | None) -> dict[str, np.ndarray]:
    """What a run stores: with the head its start, so that the model outlives the start's removal."""
    stored = {"weights": head.weights, "offset": head.offset, "centre": head.centre}
    return stored if start is None or head.own is None else {**stored, "own": head.own, **start.to_tensors(START_PREFIX)}


def rebuild_probe(stored: StoredModel) -> FittedModel:
    """The trained head of a finished run of recipe `probe`, on the public encoder.

    Torch is loaded where features or explanations are computed, and not for scores from public features.
    """
    names = ("weights", "offset", "centre", "own")
    head = Head(*(np.asarray(stored.weights[name], dtype=np.float64) for name in names if name in stored.weights))
    start = start_from_tensors(stored.weights, START_PREFIX) if head.own is not None else None
    n_findings = len(head.offset)
    components = dict(components_of(stored.spec, n_units=stored.result.n_train_units, n_findings=n_findings))

    def score_features(features: NDArray[np.floating]) -> NDArray[np.float64]:
        features = np.asarray(features, dtype=np.float32)
        return head.probabilities(leading_components(features, components), start.own_features(features) if start else None)

    def score(images: NDArray[np.generic]) -> NDArray[np.float64]:
        features = compute_joined(
            images,
            stored.spec.encoder,
            modality=stored.modality,
            encoders_dir=stored.encoders_dir,
            added_dir=stored.added_dir or stored.encoders_dir,
            with_outputs=reads_outputs(start),
        )
        return score_features(features)

    def explainable() -> Explainable:
        from dpmed_core.training.recipes.probe_network import explainable_probe  # loads torch

        return explainable_probe(stored, components, head, start)

    def untrained(seed: int) -> Explainable:
        from dpmed_core.training.recipes.probe_network import explainable_probe, random_head

        return explainable_probe(stored, components, random_head(head, seed), start)

    # Public features alone do not make the score of a model that reads an added encoder's too, or a network's outputs.
    from_features = stored.spec.encoder is None and not reads_outputs(start)
    return FittedModel(score, explainable, untrained, score_features if from_features else None)
