"""Time and peak memory of one training step: private, not private, and by Opacus, in two and three dimensions, at full width.

Opacus passes the whole batch at once, as its optimizers do; our steps, private and not, pass micro-batches, which changes nothing of the
result. TF32 is measured to show what it would bring: the product never uses it, since a norm from a Gram matrix would not be that of what
is summed, and `holds` is false there. bfloat16 is not measured: the private step refuses it (`unit_gradients`).
"""

from collections.abc import Iterator
from functools import partial

import torch

from benchmarks.device_parts.place import LONG_SECONDS, Place
from benchmarks.step import N_FINDINGS, Case, step_of
from dpmed_core.training.device import exact_products
from dpmed_core.training.encoders.network_input import IMAGE_SIDE, VOLUME_GRID
from dpmed_core.training.networks.models import ResNet9

VARIANTS = ("nonprivate", "private", "opacus-hooks", "opacus-ghost")
BATCHES, QUICK_BATCHES = (32, 128, 512), (4,)
NETWORKS = {
    "resnet9-2d": (partial(ResNet9, width=1.0, n_out=N_FINDINGS), (IMAGE_SIDE, IMAGE_SIDE), (16, 16), 64),
    "resnet9-3d": (partial(ResNet9, width=1.0, n_out=N_FINDINGS, dimensions=3, block=2), VOLUME_GRID, (16, 16, 16), 16),
}
"""Name: network, positions of its input, the same scaled down, and images in a micro-batch of our steps."""
CALLS = 5
"""Of a step: to warm up, to be timed, and to see its memory; one where it takes long on a CPU."""
BF16 = "A private step in bfloat16 is refused: norms and sums would be of numbers that were rounded differently."


def rows(place: Place) -> Iterator[dict[str, object]]:
    """One row per network, batch, precision and variant; what does not fit into memory or time says so."""
    taken: dict[tuple[str, str, str], float] = {}  # seconds for one image
    batches = QUICK_BATCHES if place.quick else BATCHES
    plan = [(batch, precision, name) for batch in batches for precision in ("float32", "tf32") for name in NETWORKS]
    for batch, precision, name in plan:
        if precision == "tf32" and place.kind == "cpu":
            yield {"network": name, "batch": batch, "precision": precision, "failed": "TF32 is a mode of NVIDIA's GPUs."}
            continue
        for variant in VARIANTS:
            one = batch * taken.get((name, precision, variant), 0.0)
            foreseen = one if place.kind == "cpu" and one > LONG_SECONDS else CALLS * one
            row = _row(place, name, batch, precision, variant, fits=foreseen <= place.left() / 4)
            if "seconds" in row:
                taken[name, precision, variant] = float(str(row["seconds"])) / batch
            yield row
    yield {"precision": "bfloat16", "variant": "private", "failed": BF16}


def _row(place: Place, name: str, batch: int, precision: str, variant: str, *, fits: bool) -> dict[str, object]:
    build, full, scaled, at_once = NETWORKS[name]
    grid = scaled if place.small else full
    row: dict[str, object] = {"network": name, "width": 1.0, "batch": batch, "precision": precision, "variant": variant}
    row |= {"input": "x".join(map(str, grid)), "scaled_down": grid != full}
    if not fits or place.left() < 5:
        return row | {"failed": "Left out: it would take longer than this part may."}
    _set(precision)
    try:
        step = step_of(Case(build, (batch, 1, *grid), at_once), variant, device=place.device)
        seconds, peak = place.measured(step)
    except torch.OutOfMemoryError:
        return row | {"failed": "It needs more memory than the device has."}
    finally:
        step = None
        exact_products()
        place.clear()
    return row | {
        "images_at_once": batch if variant.startswith("opacus") else min(batch, at_once),
        "seconds": seconds,
        "images_per_second": batch / seconds,
        "peak_bytes": peak,
        "holds": None if variant == "nonprivate" else precision == "float32",
    }


def _set(precision: str) -> None:
    exact_products()
    if precision == "tf32":
        torch.backends.cuda.matmul.fp32_precision = torch.backends.cudnn.conv.fp32_precision = "tf32"
