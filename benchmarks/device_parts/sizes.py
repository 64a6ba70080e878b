"""Features and training at the recipes' own size and at 224 and 512 pixels: images a second, and memory. `plan --at` reads these rows.

`private` and `nonprivate` train the recipe's network by the product's own step; `scored` passes images through it, as held-out cases, and
through a frozen network before it; `features` are those of recipe `probe`. A rate counts one image a patient, in micro-batches of the
recipe; on a CPU it is one thread's, by the processor's time.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from math import prod

import numpy as np
import torch

from benchmarks.device_parts.place import Place
from benchmarks.step import N_FINDINGS, Case, step_of
from dpmed_core.imaging.modality import Modality
from dpmed_core.imaging.volume_grid import SHAPE
from dpmed_core.settings import load_settings
from dpmed_core.training.device import exact_products
from dpmed_core.training.dpsgd.secure_random import SecureRandom
from dpmed_core.training.encoders.card import COMPONENTS
from dpmed_core.training.encoders.components import leading_components
from dpmed_core.training.encoders.features import BATCH_SIZE, compute_features
from dpmed_core.training.encoders.network_input import IMAGE_SIDE, VOLUME_GRID, to_tensor
from dpmed_core.training.encoders.radiograph_encoder import load_encoder
from dpmed_core.training.encoders.volume_trunk import trunk_outputs
from dpmed_core.training.recipes.catalogue import PROBE
from dpmed_core.training.recipes.linear_head import head_data, train_heads
from dpmed_core.training.recipes.networks import NETWORKS, NetworkRecipe, positions_read
from dpmed_core.training.recipes.train_probe import plan_probe
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit, RunSpec

HEAD_UNITS, BATCH_ON_A_CPU = 5000, 2
SIDES = (IMAGE_SIDE, 224, 512)


def rows(place: Place) -> Iterator[dict[str, object]]:
    """One row per recipe, size and what is done with the images; small inputs first."""
    exact_products()
    yield from _features_as_stored(place)
    yield _head(place)
    seen: dict[tuple[str, str], float] = {}  # seconds of one position of one image
    for side in (SIDES[0], None, *SIDES[1:]):
        grid = VOLUME_GRID if side is None else (side, side)
        modality = Modality.CT if side is None else Modality.RADIOGRAPH
        if place.quick and grid != (IMAGE_SIDE, IMAGE_SIDE):
            continue
        if side is not None:
            yield from _features(place, side)
        for name, recipe in NETWORKS.items():
            if modality in recipe.card.modalities:
                yield from _training(place, name, recipe, grid, seen)


def _training(
    place: Place, name: str, recipe: NetworkRecipe, grid: tuple[int, ...], seen: dict[tuple[str, str], float]
) -> Iterator[dict[str, object]]:
    """A step of the recipe's network, private and not, and a pass alone; left out where what was `seen` says that it takes too long."""
    usual = grid in ((IMAGE_SIDE, IMAGE_SIDE), VOLUME_GRID)
    batch = recipe.images_at_once if usual or not place.small else BATCH_ON_A_CPU
    read = positions_read(recipe.build(n_out=N_FINDINGS), grid)
    case = Case(lambda: recipe.build(n_out=N_FINDINGS), (batch, 1, *read), batch)
    for what in ("private", "nonprivate", "scored"):
        positions = batch * prod(grid)
        if seen.get((name, what), 0.0) * positions > place.left() / 2:
            given = {"recipe": name, "what": what, "input": "x".join(map(str, grid))}
            yield given | {"failed": "Left out: it would take longer than this part may."}
            continue
        step = _scoring(place, recipe, batch, grid) if what == "scored" else step_of(case, what, device=place.device)
        row = _rate(place, name, what, grid, batch, step)
        if "seconds" in row:
            seen[name, what] = float(str(row["seconds"])) / positions
        yield row


def _scoring(place: Place, recipe: NetworkRecipe, batch: int, grid: tuple[int, ...]) -> Callable[[], object]:
    """A pass of `batch` images through the recipe's network, and one by one through what stands before it."""
    model = recipe.build(n_out=N_FINDINGS).to(place.device).eval()
    if recipe.trunk is None:
        images = torch.randn(batch, 1, *grid).to(place.device)
        return torch.no_grad()(lambda: model(images))
    trunk, volumes = recipe.trunk.build().eval(), torch.randn(batch, 1, *SHAPE)
    return torch.no_grad()(lambda: model(trunk_outputs(trunk, volumes).to(place.device)))


def _features(place: Place, side: int) -> Iterator[dict[str, object]]:
    """Public features of radiographs of `side` pixels, on the device."""
    encoder = _on(place, Modality.RADIOGRAPH)
    batch = 64 if not place.small else 8 if side == IMAGE_SIDE else BATCH_ON_A_CPU
    images = np.random.default_rng(0).integers(0, 256, (batch, side, side), dtype=np.uint8)

    @torch.no_grad()
    def compute() -> None:
        encoder.of_inputs(to_tensor(images, size=side).to(place.device)).cpu()

    yield _rate(place, "probe", "features on the device", (side, side), batch, compute)


def _features_as_stored(place: Place) -> Iterator[dict[str, object]]:
    """Public features as recipe `probe` computes them: on the CPU, from stored radiographs and volumes."""
    rng, folder = np.random.default_rng(0), load_settings().encoders_dir
    radiographs = rng.integers(0, 256, (4 * BATCH_SIZE[Modality.RADIOGRAPH], 128, 128), dtype=np.uint8)
    volumes = rng.integers(-200, 300, (1, *SHAPE)).astype(np.int16)
    on_cpu = replace(place, kind="cpu")
    for modality, images in ((Modality.RADIOGRAPH, radiographs), (Modality.CT, volumes)):
        row = _rate(on_cpu, "probe", "features", images.shape[1:], len(images), lambda m=modality, x=images: compute_features(x, m, folder))
        yield row | {"device": "cpu", "modality": modality.value}


def _head(place: Place) -> dict[str, object]:
    """Private steps of recipe `probe`'s head over the features of many units, on the CPU; its rate is units times steps in a second."""
    rng = np.random.default_rng(0)
    spec = RunSpec("0" * 64, 0, PROBE.name, PROBE.version, PrivacyUnit.PATIENT, PrivacyTarget(1.0, 1e-5), 0)
    plan = plan_probe(spec, n_units=HEAD_UNITS, n_findings=N_FINDINGS)
    features = rng.standard_normal((HEAD_UNITS, sum(COMPONENTS.values()))).astype(np.float32)
    labels = rng.integers(0, 2, (HEAD_UNITS, N_FINDINGS)).astype(np.float32)
    data = head_data(leading_components(features, dict(plan.components)), labels, list(np.arange(HEAD_UNITS)[:, None]))

    def train() -> None:
        train_heads(data, plan.settings, [plan.noise_multiplier], SecureRandom())

    return _rate(replace(place, kind="cpu"), PROBE.name, "head", (), HEAD_UNITS * plan.settings.steps, train)


def _on(place: Place, modality: Modality):
    """The public encoder with its networks and reductions on the device."""
    encoder = load_encoder(load_settings().encoders_dir, modality)
    for network in encoder.networks.values():
        network.to(place.device)
    return replace(encoder, reduction={name: value.to(place.device) for name, value in encoder.reduction.items()})


def _rate(place: Place, recipe: str, what: str, grid: tuple[int, ...], batch: int, step) -> dict[str, object]:
    row: dict[str, object] = {"recipe": recipe, "what": what, "input": "x".join(map(str, grid)), "batch": batch, "device": place.kind}
    if place.left() < 3:
        return row | {"failed": "Left out: the part's time was used up."}
    try:
        seconds, peak = place.measured(step)
        return row | {"seconds": seconds, "images_per_second": batch / seconds, "peak_bytes": peak}
    except torch.OutOfMemoryError:
        return row | {"failed": "It needs more memory than the device has."}
    finally:
        place.clear()
