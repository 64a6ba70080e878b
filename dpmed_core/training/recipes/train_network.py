"""Training a network by one of the recipes in `networks`, privately or not: plan, loop, scores."""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dpmed_core.cohort.schema import Cohort, Split
from dpmed_core.training.accounting.accounting import calibrate_poisson, guarantee_poisson
from dpmed_core.training.accounting.full_batch import nothing_spent
from dpmed_core.training.encoders.volume_trunk import cached_trunk_outputs, trunk_outputs
from dpmed_core.training.fitted import Explainable, FittedModel, StoredModel
from dpmed_core.training.loop import LoopSettings, TrainingData, predict, steps_for, train_model
from dpmed_core.training.networks.models import initial_weights, refuse_mixing_layers
from dpmed_core.training.privacy_units import training_units
from dpmed_core.training.recipes.networks import NetworkRecipe
from dpmed_core.training.result import PrivacyGuarantee, RunResult, TrainedModel
from dpmed_core.training.scores import held_out_rows, scores_table
from dpmed_core.training.session import TrainingSession
from dpmed_core.training.spec import RunSpec
from dpmed_core.training.starts.public_network import PublicNetwork
from dpmed_core.training.starts.start import Start
from dpmed_core.training.starts.start_of_run import start_of
from dpmed_core.training.starts.start_store import StartStore

TRUNK = "trunk."
"""Before the names of the weights of a frozen network that a run stores with those of the trained one."""
READ_AT_ONCE = 64
"""Stored cases that are brought to the network's grid at once; the others stay in the memory-mapped file."""


def train_network(
    recipe: NetworkRecipe,
    spec: RunSpec,
    cohort: Cohort,
    split: Split,
    *,
    session: TrainingSession,
    encoders_dir: Path,
    calibrations_dir: Path | None,
    features_dir: Path | None = None,
    starts: StartStore | None = None,
) -> TrainedModel:
    """The network that `spec` asks for, trained by `recipe`; see `train.train` for the arguments.

    What a frozen network gives for the cohort's cases is kept in `features_dir`; None to keep nothing.
    """
    start = start_of(spec, cohort, starts)  # first: a run whose start is gone spends nothing
    units = training_units(cohort, split, spec.unit)
    settings, guarantee = plan_network(recipe, spec, n_units=len(units), calibrations_dir=calibrations_dir)
    # Recorded before the first step, so that no crash can hide what was spent.
    session.plan(guarantee, settings.steps)
    model = build_network(recipe, n_findings=len(cohort.findings), seed=spec.seed, encoders_dir=encoders_dir)
    if start is not None:
        begin_at(model, start)
    trunk = recipe.trunk.public(encoders_dir) if recipe.trunk else None
    heed = _heed(session, settings.steps) if trunk else lambda: None
    read = _reader(recipe, trunk, cohort, features_dir=features_dir, encoders_dir=encoders_dir, heed=heed)
    elapsed = 0.0
    if settings.steps:
        elapsed = train_model(model, training_data(read, cohort, cohort.labels, units), settings, session=session)
    else:  # at epsilon 0 no training image enters; one that was cancelled meanwhile is not scored
        session.step(0, 0)
    # Scores of held-out cases are post-processing of the weights.
    cohort.check_images(held_out_rows(split))
    held_out = read(held_out_rows(split))
    return TrainedModel(
        result=RunResult(
            spec=spec,
            guarantee=guarantee,
            elapsed_seconds=elapsed,
            n_parameters=sum(p.numel() for p in model.parameters() if p.requires_grad) if settings.steps else 0,
            n_train_cases=sum(map(len, units)) if settings.steps else 0,
            n_train_units=len(units),
        ),
        scores=scores_table(cohort, split, predict(model, held_out, images_at_once=recipe.scored_at_once)),
        # The frozen network's too: a run's model outlives a change of the public encoder.
        weights=tensors_of(model) | ({f"{TRUNK}{name}": tensor for name, tensor in tensors_of(trunk).items()} if trunk else {}),
    )


def plan_network(
    recipe: NetworkRecipe, spec: RunSpec, *, n_units: int, calibrations_dir: Path | None = None
) -> tuple[LoopSettings, PrivacyGuarantee | None]:
    """The settings of a run and the guarantee of all of its steps.

    Both depend on the specification and on the number of units, which is treated as public, and on nothing else of the data: a batch size
    or stopping rule that followed the data would be a release outside the accounting.

    Args:
        recipe: how to train.
        spec: the run's specification.
        n_units: training units.
        calibrations_dir: cache of calibrated noise multipliers; None for no cache.

    Raises:
        SpecError: no noise multiplier meets the privacy target.
    """
    if spec.privacy is not None and spec.privacy.learns_nothing:
        nothing = nothing_spent(spec.unit, n_units=n_units)
        return _settings(recipe, steps=0, sample_rate=0.0, n_units=n_units, noise_multiplier=None), nothing
    # In a small cohort a batch of the usual size would hold most units, and sampling would amplify privacy little.
    sample_rate = min(recipe.largest_sample_rate, recipe.batch_units / n_units)
    steps = steps_for(recipe.epochs, sample_rate)
    guarantee = None
    if spec.privacy is not None:
        calibration = calibrate_poisson(spec.privacy, sample_rate=sample_rate, steps=steps, cache_dir=calibrations_dir)
        guarantee = guarantee_poisson(
            spec.privacy,
            calibration,
            sample_rate=sample_rate,
            steps=steps,
            max_grad_norm=recipe.max_grad_norm,
            unit=spec.unit,
            n_units=n_units,
            cache_dir=calibrations_dir,
        )
    noise_multiplier = guarantee.noise_multiplier if guarantee else None
    return _settings(recipe, steps=steps, sample_rate=sample_rate, n_units=n_units, noise_multiplier=noise_multiplier), guarantee


def _settings(recipe: NetworkRecipe, *, steps: int, sample_rate: float, n_units: int, noise_multiplier: float | None) -> LoopSettings:
    """The loop's settings with what `recipe` says of them."""
    return LoopSettings(
        steps=steps,
        sample_rate=sample_rate,
        expected_units=sample_rate * n_units,
        images_per_unit=recipe.images_per_unit,
        max_grad_norm=recipe.max_grad_norm,
        noise_multiplier=noise_multiplier,
        learning_rate=recipe.learning_rate,
        images_at_once=recipe.images_at_once,
    )


def build_network(recipe: NetworkRecipe, *, n_findings: int, seed: int, encoders_dir: Path) -> nn.Module:
    """The network of `recipe` before its first step; its weights are a public function of `seed` and of the encoders in `encoders_dir`."""
    model = initial_weights(seed, recipe.build, n_out=n_findings)
    if recipe.start is not None:
        recipe.start(model, encoders_dir)
    return model


def begin_at(model: nn.Module, start: Start) -> None:
    """Give `model` the weights of a public network of the same architecture."""
    assert isinstance(start, PublicNetwork)  # `start_of` refuses a start of another recipe
    _loaded(model, start.weights)


def rebuild_network(recipe: NetworkRecipe, stored: StoredModel) -> FittedModel:
    """The trained network of a finished run of `recipe`, rebuilt from its stored weights."""

    def network(seed: int, weights: Mapping[str, np.ndarray]) -> nn.Module:
        # without weights: the untrained network of that seed, for the sanity check of explanation maps
        model = initial_weights(seed, recipe.build, n_out=len(stored.weights["head.bias"]))
        return _loaded(model, {name: value for name, value in weights.items() if not name.startswith(TRUNK)})

    def trunk(seed: int, weights: Mapping[str, np.ndarray]) -> nn.Module | None:
        if recipe.trunk is None:
            return None
        of_trunk = {name.removeprefix(TRUNK): value for name, value in weights.items() if name.startswith(TRUNK)}
        return _loaded(initial_weights(seed, recipe.trunk.build), of_trunk)

    def score(images: NDArray[np.generic]) -> NDArray[np.float64]:
        inputs = network_inputs(recipe, images, np.arange(len(images)), trunk=trunk(0, stored.weights))
        return predict(network(0, stored.weights), inputs, images_at_once=recipe.scored_at_once)

    def explainable(seed: int, weights: Mapping[str, np.ndarray]) -> Explainable:
        model, before = network(seed, weights), trunk(seed, weights)
        cam_layer = model.get_submodule(recipe.cam_layer) if recipe.cam_layer else None
        return Explainable(nn.Sequential(before, model) if before else model, recipe.to_input, cam_layer)

    return FittedModel(score, lambda: explainable(0, stored.weights), lambda seed: explainable(seed, {}))


def network_inputs(recipe: NetworkRecipe, images: NDArray[np.generic], rows: NDArray[np.intp], *, trunk: nn.Module | None = None) -> Tensor:
    """The trained network's input `[n_rows, 1, *positions]` for the cases `rows` of stored `images` `[n, ...]`.

    Args:
        recipe: whose input it is.
        images: as their cohort stores them.
        rows: of `images`.
        trunk: the frozen network of a recipe that has one.
    """

    def read(chosen: NDArray[np.generic]) -> Tensor:
        inputs = recipe.to_input(chosen)
        return inputs if trunk is None else trunk_outputs(trunk, inputs)

    one = read(images[:1])  # for its shape and type alone
    inputs = one.new_empty(len(rows), *one.shape[1:])
    for start in range(0, len(rows), READ_AT_ONCE):
        part = slice(start, start + READ_AT_ONCE)
        inputs[part] = read(images[rows[part]])
    return inputs


def _heed(session: TrainingSession, total: int) -> Callable[[], None]:
    """Tells a session that a training is alive before its first step, and is stopped by one that was cancelled."""

    @cache
    def done() -> int:
        # Of a run that is resumed the steps that it has taken: with fewer, one that is cancelled now would be charged too little.
        latest = session.latest()
        return latest.step if latest else 0

    return lambda: session.step(done(), total)


def _reader(
    recipe: NetworkRecipe,
    trunk: nn.Module | None,
    cohort: Cohort,
    *,
    features_dir: Path | None,
    encoders_dir: Path,
    heed: Callable[[], None],
) -> Callable[[NDArray[np.intp]], Tensor]:
    """Gives the trained network's input for rows of the cohort."""
    if trunk is None or features_dir is None:
        return lambda rows: network_inputs(recipe, cohort.images, rows, trunk=trunk)
    # A layer that mixed cases would make what is computed once depend on other patients.
    refuse_mixing_layers(trunk)
    outputs = cached_trunk_outputs(trunk, cohort, features_dir=features_dir, encoders_dir=encoders_dir, heed=heed)
    return lambda rows: torch.from_numpy(outputs[rows])[:, None]


def _loaded(network: nn.Module, weights: Mapping[str, np.ndarray]) -> nn.Module:
    """`network` with these weights, or as it is where there are none, in evaluation mode."""
    network.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in weights.items()}, strict=bool(weights))
    return network.eval()


def tensors_of(network: nn.Module) -> dict[str, np.ndarray]:
    """What a run stores of `network`."""
    return {name: tensor.detach().cpu().numpy() for name, tensor in network.state_dict().items()}


def training_data(
    read: Callable[[NDArray[np.intp]], Tensor], cohort: Cohort, labels: NDArray[np.float32], units: list[NDArray[np.intp]]
) -> TrainingData:
    """The images of `units` alone, unit after unit: held-out rows never reach the loop.

    Args:
        read: gives the network's input for rows of the cohort.
        cohort: whose images, which must be as they were stored.
        labels: of its cases, `[n_cases, n_findings]`.
        units: for each unit, the rows of its images.
    """
    rows = np.concatenate(units)
    ends = np.cumsum([len(unit) for unit in units])
    images_of = np.split(np.arange(len(rows)), ends[:-1])
    cohort.check_images(rows)
    return TrainingData(images=read(rows), labels=torch.from_numpy(labels[rows]), images_of=images_of)
