"""One training step, private and non-private, ours and others': forward, backward, clipping, noise, update.

Time: all variants alternate over rounds on one thread; for each round the ratio to our non-private step, of which median and interval are
reported. Memory: the growth of the resident set over a step, each variant in a process of its own. Error: each unit's clipped gradient
against an explicit loop in the same precision, as a share of the clipping bound, with one image per unit; also in double precision.
(Between precisions max pooling sometimes selects another of two nearly equal positions, in plain PyTorch as well.)
"""

import gc
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.pairs import ratio_with_interval, seconds_in_turns
from benchmarks.peers import (
    SlicesForOpacus,
    Step,
    eager_step,
    func_step,
    loss_by_image,
    opacus_ghost_step,
    opacus_hooks_step,
    plain_layers,
)
from benchmarks.unit_errors import unit_errors
from dpmed_core.training.dpsgd.stepper import make_stepper
from dpmed_core.training.dpsgd.unit_index import Units
from dpmed_core.training.encoders.network_input import VOLUME_GRID
from dpmed_core.training.networks.models import ConvBlock, ResNet9, SliceNet
from dpmed_core.training.recipes.networks import NETWORKS

ROUNDS, ROUNDS_OF_SLOW_PEERS = 30, 5
N_FINDINGS = 8
NOISE_MULTIPLIER, MAX_GRAD_NORM = 1.0, 1.5
REFERENCE = "nonprivate"
PRIVATE_PEERS = {"opacus-hooks": opacus_hooks_step, "opacus-ghost": opacus_ghost_step, "func-vmap": func_step}
IN_TURNS = {ROUNDS: ("private", "nonprivate-eager", "opacus-hooks"), ROUNDS_OF_SLOW_PEERS: ("opacus-ghost", "func-vmap")}


@dataclass(frozen=True)
class Case:
    """A network and its batch.

    Attributes:
        build: makes the network.
        shape: of the batch, `[n, 1, *positions]`.
        images_at_once: images in a micro-batch of our steps, private and non-private, for time and memory alike.
    """

    build: Callable[[], nn.Module]
    shape: tuple[int, ...]
    images_at_once: int


class ConvNet3d(nn.Sequential):
    """Four convolution blocks over a volume, the mean over positions, and a linear layer."""

    def __init__(self, *, n_out: int) -> None:
        blocks = [
            ConvBlock(1, 16, dimensions=3, pool=True),
            ConvBlock(16, 32, dimensions=3, pool=True),
            ConvBlock(32, 64, dimensions=3, pool=True),
            ConvBlock(64, 64, dimensions=3),
        ]
        super().__init__(*blocks, nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(64, n_out))


def _of_recipe(name: str) -> Callable[[], nn.Module]:
    return partial(NETWORKS[name].build, n_out=N_FINDINGS)


CASES = {
    "resnet9-w0.25-b64": Case(partial(ResNet9, width=0.25, n_out=N_FINDINGS), (64, 1, 64, 64), 32),
    "resnet9-w1-b16": Case(partial(ResNet9, width=1.0, n_out=N_FINDINGS), (16, 1, 64, 64), 16),
    "cnn3d-b16": Case(partial(ConvNet3d, n_out=N_FINDINGS), (16, 1, 32, 64, 64), 4),
    "paper3d-b16": Case(_of_recipe("paper3d"), (16, 1, *VOLUME_GRID), NETWORKS["paper3d"].images_at_once),
    "resnet9-3d-w0.125-b8": Case(partial(ResNet9, width=0.125, n_out=N_FINDINGS, dimensions=3), (8, 1, *VOLUME_GRID), 4),
    "slices-b16": Case(_of_recipe("slices"), (16, 1, *VOLUME_GRID), NETWORKS["slices"].images_at_once),
}


def rows(*names: str) -> list[dict[str, object]]:
    """Each case of `names` (all, where none is named) and variant, with its ratios to our non-private step."""
    warnings.filterwarnings("ignore", module="torch|opacus")
    return [row for name in names or CASES for row in _rows_of(name)]


def _rows_of(name: str) -> list[dict[str, object]]:
    """The rows of one case; slow peers take fewer rounds, against a reference measured in those same rounds."""
    single, double = (_max_abs_error(CASES[name], dtype) for dtype in (torch.float32, torch.float64))
    reference_bytes = _in_own_process(_peak_bytes, name, REFERENCE)
    rows: list[dict[str, object]] = []
    for rounds, variants in IN_TURNS.items():
        times = seconds_in_turns({variant: step_of(CASES[name], variant) for variant in (REFERENCE, *variants)}, rounds=rounds)
        gc.collect()
        for variant in variants:
            ratio, low, high = ratio_with_interval(times[variant], times[REFERENCE])
            peak = _in_own_process(_peak_bytes, name, variant)
            rows.append(
                {
                    "case": name,
                    "variant": variant,
                    "time_ratio": ratio,
                    "time_ratio_low": low,
                    "time_ratio_high": high,
                    "memory_ratio": peak / reference_bytes,
                    "seconds": sorted(times[variant])[rounds // 2],
                    "reference_seconds": sorted(times[REFERENCE])[rounds // 2],
                    "megabytes": peak / 1e6,
                    "rounds": rounds,
                    "max_abs_error": single if variant == "private" else None,
                    "max_abs_error_double": double if variant == "private" else None,
                }
            )
    return rows


def step_of(case: Case, variant: str, *, device: torch.device | None = None) -> Step:
    """One training step of `case` as `variant` takes it, on `device` (None: the CPU)."""
    torch.manual_seed(0)
    images = torch.randn(case.shape).to(device)
    labels = torch.randint(0, 2, (len(images), N_FINDINGS)).float().to(device)
    model = case.build().to(device)
    if variant not in (REFERENCE, "private"):
        model = SlicesForOpacus(model) if isinstance(model, SliceNet) and variant.startswith("opacus") else plain_layers(model)
    optimizer = torch.optim.NAdam(model.parameters(), lr=1e-3)
    if variant == "nonprivate-eager":
        return eager_step(model, images, labels, optimizer)
    if variant in PRIVATE_PEERS:
        return PRIVATE_PEERS[variant](model, images, labels, optimizer, noise_multiplier=NOISE_MULTIPLIER, max_grad_norm=MAX_GRAD_NORM)
    return _our_step(case, model, images, labels, optimizer, noise_multiplier=NOISE_MULTIPLIER if variant == "private" else None)


def _our_step(
    case: Case, model: nn.Module, images: Tensor, labels: Tensor, optimizer: torch.optim.Optimizer, *, noise_multiplier: float | None
) -> Step:
    stepper = make_stepper(model, optimizer, noise_multiplier=noise_multiplier, max_grad_norm=MAX_GRAD_NORM, expected_units=len(images))

    def step() -> None:
        for start in range(0, len(images), case.images_at_once):
            part = slice(start, start + case.images_at_once)
            units = _one_image_each(len(images[part]), images.device)
            stepper.accumulate(loss_by_image(stepper.forward(images[part], units), labels[part]), units)
        stepper.finish()

    return step


def _one_image_each(n: int, device: torch.device | None = None) -> Units:
    return Units(torch.arange(n, device=device), n)


def _max_abs_error(case: Case, dtype: torch.dtype) -> float:
    """The largest deviation of a unit's clipped gradient from the explicit one, over the bound."""
    torch.manual_seed(0)
    images = torch.randn(min(case.shape[0], 8), *case.shape[1:]).to(dtype)
    labels = torch.randint(0, 2, (len(images), N_FINDINGS)).to(dtype)
    return unit_errors(case.build().to(dtype), images, labels, _one_image_each(len(images)), max_grad_norm=MAX_GRAD_NORM).largest


def _in_own_process(function: Callable[[str, str], int], name: str, variant: str) -> int:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, name, variant).result()


def _peak_bytes(name: str, variant: str) -> int:
    """Growth of the resident set during a second step, over its size before the first."""
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    step = step_of(CASES[name], variant)
    before = resident_bytes()
    step()
    forget_peak()
    step()
    return resident_bytes("VmHWM") - before


def forget_peak() -> None:
    """Have the resident set's peak ("VmHWM") start anew."""
    Path("/proc/self/clear_refs").write_text("5")


def resident_bytes(what: str = "VmRSS") -> int:
    """This process's resident set in bytes, or with "VmHWM" its peak."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(what))
    return int(line.split()[1]) * 1024
