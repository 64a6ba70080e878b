"""Features that timm and torchvision give with made-up weights, and those weights under the names that each library writes.

`published_features.npz` was computed once with timm 1.0.31 and torchvision 0.28.0 on torch 2.13.0 (CPU, float32): pooled features before
the layer that classifies, of `images()`, every fourth of them. The libraries themselves are no dependency: torchvision's wheels fit one
build of torch alone.
"""

import json
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

STORED = np.load(Path(__file__).with_name("published_features.npz"))
CASES = [name.removesuffix("/features") for name in STORED.files if name.endswith("/features")]
"""Library and architecture, "timm/resnet-50"."""
STEP = 4


def images() -> Tensor:
    """Two made-up images `[2, 3, 224, 224]`."""
    return torch.from_numpy(np.random.default_rng(5).standard_normal((2, 3, 224, 224)).astype(np.float32))


def features(case: str) -> Tensor:
    """Every `STEP`-th feature of the library's model, `[2, n]`."""
    return torch.from_numpy(STORED[f"{case}/features"])


def shapes(case: str) -> dict[str, tuple[int, ...]]:
    """The library's names and shapes of all tensors."""
    return {name: tuple(shape) for name, shape in json.loads(zlib.decompress(STORED[f"{case}/names"].tobytes())).items()}


def weights(case: str) -> dict[str, Tensor]:
    """The made-up weights; each depends on its foreign name and shape alone."""
    return {name: _made_up(name, shape) for name, shape in shapes(case).items()}


def _made_up(name: str, shape: tuple[int, ...]) -> Tensor:
    leaf = name.rsplit(".", 1)[-1]
    if leaf == "num_batches_tracked":
        return torch.tensor(1)
    drawn = np.random.default_rng([zlib.crc32(name.encode())]).standard_normal(shape)
    if leaf == "running_var":
        drawn = 1 + 0.1 * np.abs(drawn)
    elif leaf == "running_mean" or leaf.endswith("bias"):
        drawn = 0.1 * drawn
    elif len(shape) == 1:
        drawn = 1 + 0.1 * drawn
    elif "token" in name or "pos" in name:
        drawn = 0.2 * drawn
    else:
        drawn = drawn * (1.6 / np.prod(shape[1:])) ** 0.5
    return torch.tensor(drawn.astype(np.float32))
