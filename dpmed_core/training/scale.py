"""How long a training of many images takes, and how much memory and disk, on a CPU and on one or more GPUs, from measured rates alone.

One image a patient. Of a recipe's network each training image passes `epochs` times in expectation, privately (the accountant's and the
calibration's seconds are left out), and every held-out image once; where a frozen network stands before it, every training image passes
that once as well, which is counted as if it were scored. A head of recipe `probe` takes at most `STEPS` private steps over the
features of all training images. Several GPUs share out the images of a step; that their sums travel in no time is assumed, since
it was not measured: hours on 4 and 8 are the least that they can be.
"""

import re
from collections.abc import Sequence
from math import prod

from dpmed_core.cohort.schema import Part
from dpmed_core.cohort.split import SHARES
from dpmed_core.errors import SpecError
from dpmed_core.imaging.modality import Modality
from dpmed_core.imaging.volume_grid import SHAPE
from dpmed_core.training.encoders.card import COMPONENTS
from dpmed_core.training.encoders.network_input import VOLUME_GRID
from dpmed_core.training.loop import steps_for
from dpmed_core.training.measured_rates import Rate, rate_at
from dpmed_core.training.recipes.catalogue import PROBE, RECIPES
from dpmed_core.training.recipes.networks import NETWORKS, NetworkRecipe, positions_read
from dpmed_core.training.recipes.probe_settings import STEPS

DEVICES = (("cpu", 1), ("cuda", 1), ("cuda", 4), ("cuda", 8))
TRAIN_SHARE = dict(SHARES)[Part.TRAIN]
GIBIBYTE = 2.0**30
FLOAT_BYTES, VOXEL_BYTES = 4, 2
STORED_RADIOGRAPH = (128, 128)
"""The size at which features as recipe `probe` computes them are measured: that of stored radiographs."""


def parse_at(text: str) -> tuple[int, int]:
    """The number of images and their side in pixels, of "193311x512".

    Raises:
        SpecError: the text is of another form, or a number is out of range.
    """
    found = re.fullmatch(r"(\d{1,9})x(\d{1,5})", text)
    n_images, pixels = (int(found[1]), int(found[2])) if found else (0, 0)
    if n_images < 10 or not 16 <= pixels <= 4096:
        raise SpecError(
            f"{text!r} is no number of images and size: write 193311x512 for 193,311 images (10 or more) of 512 pixels (16 to 4096)."
        )
    return n_images, pixels


def scale_rows(n_images: int, pixels: int, rates: Sequence[Rate]) -> list[dict[str, object]]:
    """One row per recipe, its modality and device; hours, memory and disk, or the reason why none is given.

    Columns: recipe, modality, device ("cpu", "cuda"), n_devices, n_images, input (positions of an image), hours (of one private training),
    memory_gib (of the machine), device_memory_gib (of each GPU), disk_gib (of stored images and features), measured_on, reason.
    """
    places = [(name, modality) for name, card in RECIPES.items() for modality in card.modalities]
    return [_row(n_images, pixels, *place, *device, rates) for place in places for device in DEVICES]


def _row(
    n_images: int, pixels: int, name: str, modality: Modality, device: str, n_devices: int, rates: Sequence[Rate]
) -> dict[str, object]:
    """One row of `scale_rows`."""
    stored, read = (STORED_RADIOGRAPH, (pixels, pixels)) if modality is Modality.RADIOGRAPH else (SHAPE, VOLUME_GRID)
    grid = stored if name == PROBE.name else read
    if name == PROBE.name:
        needs = _probe(n_images, grid, device, rates)
    else:
        needs = _network(n_images, grid, device, n_devices, NETWORKS[name], rates)
    return {
        "recipe": name,
        "modality": modality.value,
        "device": device,
        "n_devices": n_devices,
        "n_images": n_images,
        "input": "x".join(map(str, grid)),
        "disk_gib": _disk(n_images, pixels, modality, name),
        **needs,
    }


def _network(
    n_images: int, grid: tuple[int, ...], device: str, n_devices: int, recipe: NetworkRecipe, rates: Sequence[Rate]
) -> dict[str, object]:
    """Hours and memory of a network; see `scale_rows`."""
    private, scored = (rate_at(rates, recipe.card.name, what, grid, device) for what in ("private", "scored"))
    if private is None or scored is None:
        return _none(f"not measured at {'x'.join(map(str, grid))} on a {_words(device)}")
    n_train = round(n_images * TRAIN_SHARE)
    sample_rate = min(recipe.largest_sample_rate, recipe.batch_units / n_train)
    trained = steps_for(recipe.epochs, sample_rate) * sample_rate * n_train
    seconds = trained / (private.per_second * n_devices) + (n_images - n_train * (recipe.trunk is None)) / scored.per_second
    read = positions_read(recipe.build(n_out=1), grid)
    inputs = max(n_train, n_images - n_train) * prod(read) * FLOAT_BYTES
    on_device = private.peak_bytes / GIBIBYTE
    return {
        "hours": seconds / 3600,
        "memory_gib": inputs / GIBIBYTE + (on_device if device == "cpu" else 0.0),
        "device_memory_gib": None if device == "cpu" else on_device,
        "measured_on": private.source,
        "reason": "" if n_devices == 1 else "at least: one GPU's measured rate, shared out; sums between GPUs were not measured",
    }


def _probe(n_images: int, grid: tuple[int, ...], device: str, rates: Sequence[Rate]) -> dict[str, object]:
    """Hours and memory of recipe `probe`, whose features and head are computed on the CPU."""
    if device != "cpu":
        return _none("the recipe computes on the CPU")
    features, head = rate_at(rates, PROBE.name, "features", grid, device), rate_at(rates, PROBE.name, "head", (), device)
    if features is None or head is None:
        return _none("not measured on a CPU")
    seconds = n_images / features.per_second + round(n_images * TRAIN_SHARE) * STEPS[1] / head.per_second
    held = 2 * n_images * sum(COMPONENTS.values()) * FLOAT_BYTES  # the features, and those that the head reads
    return {
        "hours": seconds / 3600,
        "memory_gib": (held + features.peak_bytes) / GIBIBYTE,
        "device_memory_gib": None,
        "measured_on": features.source,
        "reason": "",
    }


def _disk(n_images: int, pixels: int, modality: Modality, recipe: str) -> float:
    """GiB of the images as stored, 8-bit radiographs of this size or volumes of the stored grid, and of what is computed once of them: the
    features of recipe `probe`, what a frozen network gives."""
    image = pixels**2 if modality is Modality.RADIOGRAPH else SHAPE[0] * SHAPE[1] * SHAPE[2] * VOXEL_BYTES
    if recipe == PROBE.name:
        kept = sum(COMPONENTS.values())
    else:
        network = NETWORKS[recipe]
        kept = prod(positions_read(network.build(n_out=1), (0,))) if network.trunk else 0
    return n_images * (image + kept * FLOAT_BYTES) / GIBIBYTE


def _none(reason: str) -> dict[str, object]:
    return {"hours": None, "memory_gib": None, "device_memory_gib": None, "measured_on": "", "reason": reason}


def _words(device: str) -> str:
    return "GPU" if device == "cuda" else "CPU"
