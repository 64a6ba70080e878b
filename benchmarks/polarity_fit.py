"""Fits the weights of `dpmed_core/imaging/polarity.py`, and checks the way they are fitted on what is left out of a fit.

    python -m benchmarks.polarity_fit                    # weights and card anew; needs DPMED_REAL_COHORTS
    python -m benchmarks.polarity_fit --leave-out half   # fits on the other half of ChestX-ray14's patients, prints the table of the first
    python -m benchmarks.polarity_fit --leave-out children | adults | lateral

Each image is seen in another random view each time: cropped, turned, mirrored, tilted, framed, lettered, windowed, blurred, with noise.
The loss is the logistic one of the correct image; that of its negative is the same, by the score's form.
"""

import argparse
import hashlib
import json
import math
import sys

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.numpy import save
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.lateral_radiographs import draw_lateral_radiographs
from benchmarks.polarity import DEMO_SEED, FIT_HALF, MEASURED_HALF, N_LATERAL, Images, adults, children, rows_of, synthetic
from dpmed_core.imaging.polarity import FARTHEST, LAYERS, SIDE, STRIDE, WEIGHTS, Weights
from dpmed_core.training.encoders.synthetic_radiographs import draw_randomised_radiographs

SHARES = {"adults": 0.5, "children": 0.28, "demo": 0.06, "randomised": 0.08, "lateral": 0.08}
"""Of the images of a step, whatever the number of each kind at hand."""
CHANNELS, KERNELS = (16, 32, 48), (5, 3, 3)
STEPS, BATCH, RATE, DECAY = 4000, 160, 4e-3, 1e-3
SEED, N_RANDOMISED, N_LATERAL_FIT = 1009, 600, 600
STORED_SIDE = 64
CARD = {
    "name": "polarity",
    "public": True,
    "architecture": "convolutions of 5 x 5, 3 x 3 and 3 x 3 pixels with 16, 32 and 48 channels and stride 2, ReLU, mean and maximum, "
    "one weight each",
    "data": "half the patients (by a hash of their number) of a part of ChestX-ray14; the training part of PneumoniaMNIST; "
    "synthetic radiographs of DPMed: of the demo's kind, domain-randomised, and from the side",
    "licence": "the weights: as DPMed. PneumoniaMNIST: CC BY 4.0. ChestX-ray14: no restrictions; by the NIH Clinical Center, "
    "https://nihcc.app.box.com/v/ChestXray-NIHCC",
    "sources": [
        "Wang et al. 2017, doi 10.1109/CVPR.2017.369",
        "Yang et al. 2023, doi 10.1038/s41597-022-01721-8",
        "Kermany et al. 2018, doi 10.1016/j.cell.2018.02.010",
    ],
}


class Network(nn.Module):
    """The network of `dpmed_core/imaging/polarity.py` in torch: what it says of each image, less what it says of the negative."""

    def __init__(self) -> None:
        super().__init__()
        for layer, before, after, size in zip(LAYERS, (1, *CHANNELS), CHANNELS, KERNELS, strict=False):
            self.add_module(layer, nn.Conv2d(before, after, size, STRIDE, size // 2))
        self.last = nn.Linear(2 * CHANNELS[-1], 1, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        """The scores `[n]` of `images` `[n, 1, SIDE, SIDE]`."""
        return self._evidence(images) - self._evidence(-images)

    def _evidence(self, maps: Tensor) -> Tensor:
        for layer in LAYERS:
            maps = functional.relu(self.get_submodule(layer)(maps))
        return self.last(torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], 1))[:, 0]


def fit_sets(half: int, without: str | None) -> dict[str, Tensor]:
    """The images to fit on, by kind, each `[n, 1, STORED_SIDE, STORED_SIDE]`."""
    drawn, _ = draw_randomised_radiographs(N_RANDOMISED, size=STORED_SIDE, seed=SEED, workers=1)
    sets = {
        "adults": adults(half),
        "children": children("train"),
        "demo": synthetic(SEED),
        "randomised": list(drawn.astype(np.float32) / 255),
        "lateral": draw_lateral_radiographs(N_LATERAL_FIT, size=STORED_SIDE, seed=SEED),
    }
    return {kind: _stored(images) for kind, images in sets.items() if kind != without}


def _stored(images: Images) -> Tensor:
    def of(image: NDArray[np.float32]) -> NDArray[np.float32]:
        way = Image.Resampling.BOX if len(image) > STORED_SIDE else Image.Resampling.BICUBIC
        return np.asarray(Image.fromarray(image).resize((STORED_SIDE, STORED_SIDE), way)).clip(0, 1)

    return torch.tensor(np.stack([of(image) for image in images]))[:, None]


def fit(sets: dict[str, Tensor], steps: int = STEPS) -> Weights:
    """The weights, fitted with AdamW at a rate that rises and falls once."""
    torch.manual_seed(SEED)
    network = Network().to(memory_format=torch.channels_last)  # a third faster on processors
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    total = sum(SHARES[kind] for kind in sets)
    counts = {kind: round(BATCH * SHARES[kind] / total) for kind in sets}
    for step in range(steps):
        picked = torch.cat([images[torch.randint(len(images), (counts[kind],))] for kind, images in sets.items()])
        loss = functional.softplus(-network(_standard(random_view(picked)).contiguous(memory_format=torch.channels_last))).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rate.step()
        if step % 200 == 199:
            sys.stderr.write(f"step {step + 1} of {steps}: loss {loss.item():.4f}\n")
    return {name: np.ascontiguousarray(value.numpy()) for name, value in network.state_dict().items()}


def _standard(images: Tensor) -> Tensor:
    """As `dpmed_core.imaging.polarity.reduced` leaves them."""
    centred = images - images.mean((2, 3), keepdim=True)
    return (centred / (centred.std((2, 3), keepdim=True, correction=0) + 1e-6)).clamp(-FARTHEST, FARTHEST)


def random_view(images: Tensor) -> Tensor:
    """Each of `images` `[n, 1, STORED_SIDE, STORED_SIDE]` in a random view `[n, 1, SIDE, SIDE]`, in [0, 1] but for noise."""
    return _degraded(_framed(_placed(_lettered(_windowed(images)))))


def _uniform(n: int, low: float, high: float) -> Tensor:
    return (torch.rand(n) * (high - low) + low)[:, None, None, None]


def _some(n: int, share: float) -> Tensor:
    """Which of `n` images something is done to, `[n, 1, 1, 1]`."""
    return (torch.rand(n) < share)[:, None, None, None]


def _windowed(images: Tensor) -> Tensor:
    """Another display curve for all, and for a third a window between two quantiles of their grey values."""
    n = len(images)
    curved = images ** torch.exp(_uniform(n, -0.8, 0.8))
    quantiles = torch.quantile(curved.flatten(1)[:, ::17], torch.tensor([0.0, 0.1, 0.25, 0.5, 0.5, 0.75, 0.9, 1.0]), dim=1)
    each = torch.arange(n)
    low, high = quantiles[torch.randint(0, 4, (n,)), each], quantiles[torch.randint(4, 8, (n,)), each]
    same = high - low < 0.03
    low, high = torch.where(same, quantiles[0], low)[:, None, None, None], torch.where(same, quantiles[-1], high)[:, None, None, None]
    return torch.where(_some(n, 0.35), ((curved - low) / (high - low).clamp_min(0.03)).clamp(0, 1), curved)


def _lettered(images: Tensor) -> Tensor:
    """A quarter with up to three black or white bars, as letters are made of."""
    marked, side = images.clone(), images.shape[-1]
    for index in torch.nonzero(_some(len(images), 0.25).flatten()).flatten().tolist():
        grey = torch.rand(()).round()
        for _ in range(int(torch.randint(1, 4, ()))):
            high, wide = (max(1, int(side * length)) for length in _uniform(2, 0.02, 0.15).flatten().tolist())
            top, left = int(torch.randint(side - high, ())), int(torch.randint(side - wide, ()))
            marked[index, 0, top : top + high, left : left + wide] = grey
    return marked


def _placed(images: Tensor) -> Tensor:
    """A part of each image, a sixth whole, half cropped in one direction; tilted, turned, mirrored; corners black, white or continued."""
    n = len(images)
    direction, wide, high = torch.rand(n), _uniform(n, 0.42, 1.05).flatten(), _uniform(n, 0.42, 1.05).flatten()
    wide = torch.where((direction < 1 / 6) | (direction > 3 / 4), 1.0, wide)
    high = torch.where(direction < 5 / 12, 1.0, high)
    x, y = ((torch.rand(n) * 2 - 1) * (1 - length).clamp_min(0) for length in (wide, high))
    turns = torch.randint(4, (n,)) * (torch.rand(n) < 0.35)
    angle = (_uniform(n, -20, 20).flatten() * (torch.rand(n) < 0.5) + 90 * turns) * math.pi / 180
    mirror = torch.where(torch.rand(n) < 0.5, -1.0, 1.0)
    cos, sin = torch.cos(angle), torch.sin(angle)
    rows = [torch.stack([wide * cos * mirror, -wide * sin, x], 1), torch.stack([high * sin * mirror, high * cos, y], 1)]
    grid = functional.affine_grid(torch.stack(rows, 1), [n, 1, SIDE, SIDE], align_corners=False)
    grey = _uniform(n, 0, 1).round()
    filled = functional.grid_sample(images - grey, grid, align_corners=False) + grey
    continued = functional.grid_sample(images, grid, align_corners=False, padding_mode="border")
    return torch.where(_some(n, 0.5), continued, filled)


def _framed(images: Tensor) -> Tensor:
    """A fifth with black or white strips on some of their sides."""
    framed = images.clone()
    for index in torch.nonzero(_some(len(images), 0.2).flatten()).flatten().tolist():
        top, bottom, left, right = (torch.randint(10, (4,)) * (torch.rand(4) < 0.6)).tolist()
        inside = torch.zeros(SIDE, SIDE, dtype=torch.bool)
        inside[top : SIDE - bottom, left : SIDE - right] = True
        framed[index, 0][~inside] = torch.rand(()).round()
    return framed


def _degraded(images: Tensor) -> Tensor:
    """Some blurred, some of half the resolution, some with noise."""
    n = len(images)
    blurred = functional.avg_pool2d(functional.pad(images, (1, 1, 1, 1), mode="replicate"), 3, 1)
    coarse = functional.interpolate(functional.avg_pool2d(images, 2), size=(SIDE, SIDE), mode="bilinear")
    shown = torch.where(_some(n, 0.2), coarse, torch.where(_some(n, 0.25), blurred, images))
    return shown + torch.randn_like(shown) * _uniform(n, 0, 0.03) * _some(n, 0.3)


def left_out(what: str) -> Images:
    """The images that the fit of `--leave-out` did not see."""
    if what == "lateral":
        return draw_lateral_radiographs(N_LATERAL, size=128, seed=DEMO_SEED)
    if what == "children":
        return children("test")
    return adults(FIT_HALF) if what == "half" else adults(FIT_HALF) + adults(MEASURED_HALF)


def main() -> None:
    """Writes weights and card, or prints the table of what is left out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--leave-out", choices=["half", "adults", "children", "lateral"])
    parser.add_argument("--steps", type=int, default=STEPS)
    asked = parser.parse_args()
    what = asked.leave_out
    weights = fit(fit_sets(MEASURED_HALF if what == "half" else FIT_HALF, what), asked.steps)
    if what is None:
        WEIGHTS.write_bytes(written := save(weights))
        card = {**CARD, "weights_sha256": hashlib.sha256(written).hexdigest()}
        WEIGHTS.with_suffix(".json").write_text(json.dumps(card, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
        return
    for row in rows_of(f"fitted without: {what}", left_out(what), weights):
        sys.stdout.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
