"""Gaussian noise for gradient sums, on a lattice whose points do not depend on the data.

Noise added in floating point leaks: which numbers can come out depends on what went in (Mironov 2012, "On significance of the least
significant bits for differential privacy"). So the sum is first rounded to multiples of g, and the noise too. The sum of the two is exact,
and its possible values are the multiples of g whatever the data are. Since round(z) + s = round(z + s) for s on the lattice, what comes out
is the rounded output of the Gaussian mechanism on the rounded sum, which is post-processing.

Sensitivity: rounding moves each of d entries by at most g / 2, so that two neighbouring sums lie at most g sqrt(d) further apart than
before. The noise is scaled to the sensitivity plus g sqrt(d).

Limits: the variates come from 53-bit uniforms, so that lattice points have their probabilities to that precision only; and clipped
gradients, each within the bound (`clipping_norms`), are summed over units in the network's own precision before they are rounded, with an
error near 2^-24 of the partial sums.
"""

import math

import torch
from torch import Tensor

from dpmed_core.training.dpsgd.secure_random import SecureRandom

RELATIVE_SPACING = 2.0**-32
"""The lattice's spacing g over the largest power of two not above the sensitivity. As a power of two, g has multiples that are exact in
floating point; for ten million entries g sqrt(d) is less than a millionth of the sensitivity."""
BLOCK, DEVICE_BLOCK = 2**16, 2**22
"""Entries that get their noise at once, to bound memory: on a CPU, and elsewhere."""


def add_gaussian_noise(total: Tensor, *, noise_multiplier: float, sensitivity: float, n_entries: int, random: SecureRandom) -> Tensor:
    """`total` plus Gaussian noise on every entry, both on the lattice, at the end rounded to the type of `total`.

    The standard deviation is noise_multiplier * (sensitivity + g * sqrt(n_entries)), at least what the accounting assumes.

    Args:
        total: the sum of clipped gradients, or a part of it (one parameter's).
        noise_multiplier: standard deviation of the noise over the sensitivity; with 0, `total` is returned as it is.
        sensitivity: the largest L2 distance by which one unit can move the whole sum.
        n_entries: number of entries of the whole sum, d.
        random: source of the noise.
    """
    if noise_multiplier == 0:
        return total
    # The lattice depends on public constants alone: one that followed the data's scale would reveal it.
    spacing = RELATIVE_SPACING * 2.0 ** math.floor(math.log2(sensitivity))
    scale = noise_multiplier * (sensitivity + spacing * math.sqrt(n_entries))
    flat = total.detach().flatten()
    noised = torch.empty_like(flat)
    block = BLOCK if flat.device.type == "cpu" else DEVICE_BLOCK
    for start in range(0, len(flat), block):
        part = flat[start : start + block]
        # In units of the spacing sum and noise are integers. float64 adds them exactly up to 2^53, a million times the sensitivity.
        noise = gaussian(len(part), random, part.device).mul_(scale / spacing).round_()
        noised[start : start + block] = part.to(torch.float64, copy=True).div_(spacing).round_().add_(noise).mul_(spacing)
    return noised.view_as(total)


def gaussian(n: int, random: SecureRandom, device: torch.device | None = None) -> Tensor:
    """`n` independent standard normal variates, float64, by the Box-Muller transform, which gives two for each pair of uniforms.

    The uniforms are drawn on the CPU, whose operating system gives the key, and transformed on `device` (None: the CPU), in float64 too.

    In PyTorch, since its logarithm and cosine are vectorised and take a tenth of NumPy's time.
    """
    half = (n + 1) // 2
    uniform = torch.from_numpy(random.uniform((2, half))).to(device)
    radius = uniform[0].log_().mul_(-2).sqrt_()
    angle = uniform[1].mul_(2 * math.pi)
    return torch.cat([torch.cos(angle).mul_(radius), torch.sin(angle).mul_(radius)])[:n]
