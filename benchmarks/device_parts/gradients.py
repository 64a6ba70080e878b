"""Unit gradients on the device against an explicit loop in double precision, for every network and for PyTorch's own layers.

In double precision both must agree to the last digits: the method is exact. In single precision the difference is that of rounding, and of
max pooling that selects another of two nearly equal positions; what must hold is that no unit contributes more than the clipping bound.
"""

from collections.abc import Iterator
from functools import partial

import torch

from benchmarks.device_parts.place import Place
from benchmarks.peers import plain_layers
from benchmarks.step import MAX_GRAD_NORM, N_FINDINGS
from benchmarks.unit_errors import unit_errors
from dpmed_core.imaging.modality import Modality
from dpmed_core.training.device import exact_products
from dpmed_core.training.dpsgd.unit_index import Units
from dpmed_core.training.encoders.network_input import IMAGE_SIDE, VOLUME_GRID
from dpmed_core.training.recipes.networks import NETWORKS, positions_read

IMAGES_OF = (1, 2, 1, 3)
"""Images of each unit."""
SMALL_VOLUME = (16, 24, 24)
LARGEST_DOUBLE_ERROR = 1e-9
"""Share of the bound. A unit is clipped by its norm and what rounding can add to it, in double precision about 1e-10 of the norm."""


def rows(place: Place) -> Iterator[dict[str, object]]:
    """One row per network, layers (ours, PyTorch's) and precision."""
    exact_products()
    for name, recipe in NETWORKS.items():
        grid = (IMAGE_SIDE, IMAGE_SIDE) if Modality.RADIOGRAPH in recipe.card.modalities else SMALL_VOLUME if place.small else VOLUME_GRID
        build = partial(recipe.build_small or recipe.build if place.small else recipe.build, n_out=N_FINDINGS)
        grid = positions_read(build(), grid)
        for layers in ("ours", "plain"):
            for dtype in (torch.float64, torch.float32):
                yield _row(place, name, layers, build, grid, dtype)


def _row(place, name, layers, build, grid, dtype) -> dict[str, object]:
    torch.manual_seed(0)
    of_image = torch.repeat_interleave(torch.arange(len(IMAGES_OF)), torch.tensor(IMAGES_OF)).to(place.device)
    images = torch.randn(len(of_image), 1, *grid, dtype=torch.float64)
    labels = torch.randint(0, 2, (len(of_image), N_FINDINGS), dtype=torch.float64)
    model = build() if layers == "ours" else plain_layers(build())
    found = unit_errors(
        model.to(place.device, dtype),
        images.to(place.device, dtype),
        labels.to(place.device, dtype),
        Units(of_image, len(IMAGES_OF)),
        max_grad_norm=MAX_GRAD_NORM,
        explicit_dtype=torch.float64,
    )
    return {
        "network": name,
        "layers": layers,
        "precision": str(dtype).removeprefix("torch."),
        "input": "x".join(map(str, grid)),
        "max_error_over_bound": found.largest,
        "median_error_over_bound": found.median,
        "largest_contribution_over_bound": found.largest_norm,
        "holds": found.largest_norm <= 1 + 1e-12 and (dtype != torch.float64 or found.largest <= LARGEST_DOUBLE_ERROR),
    }
