"""The largest contribution of one unit to a step's sum, over the clipping bound, among units that were made to exceed it.

Each unit passes alone through the code of a step: a network's layers by `UnitGradientModule`, whose inputs and output gradients are chosen
freely, and the head by its clipped sum. Units are opposite images (exactly, or nearly), copies of one image, constant images, sums that
cancel, each with scales of up to 1e30 and down to the smallest numbers. Contributions are measured in double precision.
"""

import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn

from dpmed_core.training.dpsgd.stepper import clip_factors
from dpmed_core.training.dpsgd.unit_gradients import UnitGradientModule
from dpmed_core.training.dpsgd.unit_index import Units
from dpmed_core.training.networks.layers import GroupNormMish
from dpmed_core.training.networks.models import BySlice
from dpmed_core.training.recipes.linear_head import CentredFeatures, head_data

UNITS = 100_000
"""Units of all kinds together."""
MOST_IMAGES = 70
OPPOSITE = (0.0, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8)
"""By how much two opposite images differ."""


class Twice(nn.Module):
    """A layer that is used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(48, 48)

    def forward(self, x: Tensor) -> Tensor:
        """The layer's outputs for `x` and for its mirror image, side by side."""
        return torch.cat([self.layer(x), self.layer(x.flip(1))], dim=1)


LAYERS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "linear": (lambda: nn.Linear(256, 256), (256,)),
    "linear, small": (lambda: nn.Linear(24, 3), (24,)),
    "linear over four vectors": (lambda: nn.Linear(96, 96), (4, 96)),
    "linear over many vectors": (lambda: nn.Linear(16, 8), (12, 16)),
    "convolution in 1D": (lambda: nn.Conv1d(32, 48, 3, padding=1), (32, 6)),
    "convolution in 2D": (lambda: nn.Conv2d(64, 48, 3, padding=1), (64, 4, 4)),
    "convolution in 3D": (lambda: nn.Conv3d(32, 24, 3, padding=1, bias=False), (32, 2, 2, 3)),
    "convolution, large map": (lambda: nn.Conv2d(4, 6, 3), (4, 9, 9)),
    "stride, groups, dilation": (lambda: nn.Conv2d(8, 12, 3, stride=2, groups=2, dilation=2, padding=2), (8, 9, 7)),
    "convolution, circular": (lambda: nn.Conv2d(48, 32, 2, padding="same", padding_mode="circular"), (48, 3, 3)),
    "group normalisation": (lambda: GroupNormMish(4, 16), (16, 5)),
    "layer normalisation": (lambda: nn.LayerNorm(40), (3, 40)),
    "a layer used twice": (Twice, (48,)),
    "slices": (lambda: BySlice(nn.Sequential(nn.Conv2d(1, 8, 3), nn.Flatten(), nn.Linear(32, 24))), (1, 5, 4, 4)),
    "two layers": (lambda: nn.Sequential(nn.Linear(128, 160), nn.Linear(160, 96)), (128,)),
}


def rows(n_units: int = UNITS) -> list[dict[str, object]]:
    """Each kind of layer, and the head: number of units, the largest contribution over the bound, how many units were dropped."""
    torch.set_num_threads(1)
    each = math.ceil(n_units / (len(LAYERS) + 1))
    found = {name: np.array([layer_contribution(name, seed) for seed in range(each)]) for name in LAYERS}
    found["head"] = np.concatenate([head_contributions(seed) for seed in range(math.ceil(each / 8))])
    return [
        {"case": name, "n_units": len(shares), "largest_contribution": float(shares.max()), "n_dropped": int((shares == 0).sum())}
        for name, shares in found.items()
    ]


def layer_contribution(name: str, seed: int) -> float:
    """Norm over bound of what one unit adds to the sum of the layer `name`."""
    generator = torch.Generator().manual_seed(seed)
    build, shape = LAYERS[name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build()
    with torch.no_grad():
        out = model(torch.zeros(1, *shape)).shape[1:]
    images, gradients = adversarial_unit(shape, tuple(out), generator)
    bound = 10.0 ** _uniform(generator, -3, 1)
    units = Units(torch.zeros(len(images), dtype=torch.long), 1)
    module = UnitGradientModule(model)
    # The gradient of the outputs is what they are multiplied by.
    (module(images, units) * gradients).flatten(1).sum(1).sum().backward()
    sums = module.clipped_sums(units, lambda norms: clip_factors(norms, bound))
    total = torch.cat([total.flatten() for total in sums.values()]).double()
    return float(torch.linalg.vector_norm(total)) / bound


def adversarial_unit(shape: tuple[int, ...], out: tuple[int, ...], generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """The images `[n, *shape]` of one unit, and the gradients of a layer's outputs for them, `[n, *out]`."""
    x, g = (parts for parts in _related(shape, out, generator))
    n, kind = len(x), int(torch.randint(4, (), generator=generator))
    if kind == 1:  # constant images, whose rounding errors all point one way
        x, g = (t.flatten(1)[:, :1].expand(n, math.prod(s)).reshape(n, *s) for t, s in ((x, shape), (g, out)))
    if kind == 2:  # one size over all entries, signs at random
        x, g = x.sign() * x.flatten()[0].abs(), g.sign() * g.flatten()[0].abs()
    scale = (0.0, 0.0, 3.0, 30.0, 38.0)[int(torch.randint(5, (), generator=generator))]
    return x * 10 ** _uniform(generator, -scale, min(scale, 30)), g * 10 ** _uniform(generator, -scale, min(scale, 30))


def _related(shape: tuple[int, ...], out: tuple[int, ...], generator: torch.Generator) -> Iterator[Tensor]:
    """Images and output gradients of a unit whose images are copies, cancel, or both."""
    n = int(torch.randint(2, MOST_IMAGES + 1, (), generator=generator))
    kind = int(torch.randint(6, (), generator=generator))
    off = OPPOSITE[int(torch.randint(len(OPPOSITE), (), generator=generator))]
    n = 2 if kind in (0, 1) else n
    x, g = torch.randn(n, *shape, generator=generator), torch.randn(n, *out, generator=generator)
    if kind != 5:  # unrelated images
        x = x[:1] * (1 + off * torch.randn(n, *[1] * len(shape), generator=generator))
    if kind in (0, 1):  # two opposite images
        g[1:] = -g[:1] * (1 + off)
    elif kind == 2:  # one image copied
        g = g[:1].expand(n, *out).clone()
    elif kind == 3:  # many images that cancel
        g -= g.mean(0, keepdim=True) * (1 - off)
    elif kind == 4:  # pairs of opposites, of different sizes
        g = g * 10 ** (4 * torch.rand(n, *[1] * len(out), generator=generator))
        g[n // 2 : 2 * (n // 2)] = -g[: n // 2] * (1 + off)
    yield x
    yield g


def head_contributions(seed: int) -> np.ndarray:
    """Norm over bound of what each of eight units adds to the sum of a head, `[8]`."""
    generator = torch.Generator().manual_seed(seed)
    n_features, n_findings = 64, 5
    bound = 10.0 ** _uniform(generator, -3, 1)
    shares = []
    centre = torch.randn(n_features, 1, generator=generator).double().numpy() * 10 ** _uniform(generator, -4, 0) / 8
    for _ in range(8):
        x, r = (t.double().numpy() for t in adversarial_unit((n_features,), (n_findings,), generator))
        if seed % 3 == 0:  # images near the centre, from which terms are scaled up
            x = centre[:, 0] + 10 ** _uniform(generator, -5, -1) * x / np.abs(x).max()
        data = head_data(x, np.zeros((len(x), n_findings)), [np.arange(len(x))])
        total = CentredFeatures.of(data, centre, 0.1).clipped_sum(r[:, :, None], bound)
        shares.append(float(np.linalg.norm(total)) / bound)
    return np.array(shares)


def _uniform(generator: torch.Generator, low: float, high: float) -> float:
    return low + (high - low) * float(torch.rand((), generator=generator))
