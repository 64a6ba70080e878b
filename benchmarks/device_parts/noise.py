"""The noise and the sampling that the product draws, tested on the device: distribution, lattice, independence, rates.

Each test gives a p-value or a distance; `holds` says whether it is within what chance gives once in ten thousand tests.
"""

from collections.abc import Iterator

import numpy as np
import torch
from scipy import stats

from benchmarks.device_parts.place import Place
from dpmed_core.training.dpsgd.lattice_noise import RELATIVE_SPACING, add_gaussian_noise, gaussian
from dpmed_core.training.dpsgd.secure_random import SecureRandom

RAREST = 1e-4
N_BINS = 100
RATES = (0.01, 0.25)
N_UNITS, N_DRAWS = 2000, 1000


def rows(place: Place) -> Iterator[dict[str, object]]:
    """The tests of noise, then those of sampling."""
    n = 2**18 if place.quick else 2**20 if place.kind == "cpu" else 2**23
    random = SecureRandom()
    drawn = gaussian(n, random, place.device).cpu().numpy()
    yield _tested("noise against N(0, 1), Kolmogorov-Smirnov", n, float(stats.kstest(drawn, "norm").pvalue))
    counts = np.bincount((stats.norm.cdf(drawn) * N_BINS).astype(int).clip(0, N_BINS - 1), minlength=N_BINS)
    yield _tested(f"noise in {N_BINS} equally likely bins, chi-square", n, float(stats.chisquare(counts).pvalue))
    tail = int((np.abs(drawn) > 4).sum())
    yield _tested("noise beyond 4 standard deviations, binomial", n, float(stats.binomtest(tail, n, 2 * stats.norm.sf(4)).pvalue))
    yield from _lattice(place, n, random)
    again = gaussian(n, random, place.device).cpu().numpy()
    other = gaussian(n, SecureRandom(), place.device).cpu().numpy()
    for name, pair in {
        "one call and the next, correlation": (drawn, again),
        "two sources, correlation": (drawn, other),
        "neighbours in one call, correlation": (drawn[:-1], drawn[1:]),
        "halves of one call, correlation": (drawn[: n // 2], drawn[n // 2 :]),
        "squares of halves of one call, correlation": (drawn[: n // 2] ** 2, drawn[n // 2 :] ** 2),
    }.items():
        yield _tested(name, len(pair[0]), float(stats.pearsonr(*pair).pvalue))
    repeated = 2 * n - len(np.unique(np.concatenate([drawn, again])))
    yield {"test": "values that occur in two calls", "n": 2 * n, "value": repeated, "holds": repeated <= 2}
    yield from _rates(place)
    yield from _sampling(random)


def _lattice(place: Place, n: int, random: SecureRandom) -> Iterator[dict[str, object]]:
    """Sum and noise lie on the lattice, around the sum, with the standard deviation that the accounting assumes."""
    sensitivity, noise_multiplier = 1.5, 2.0
    total = torch.linspace(-3, 3, n, dtype=torch.float64, device=place.device)
    noised = add_gaussian_noise(total, noise_multiplier=noise_multiplier, sensitivity=sensitivity, n_entries=n, random=random)
    steps = (noised / RELATIVE_SPACING).cpu().numpy()  # the largest power of two not above 1.5 is 1
    off = int((steps != np.round(steps)).sum())
    yield {"test": "sums with noise that are off the lattice", "n": n, "value": off, "holds": off == 0}
    scale = noise_multiplier * (sensitivity + RELATIVE_SPACING * n**0.5)
    left = ((noised - total) / scale).cpu().numpy()
    yield _tested("noise in a sum against its standard deviation, Kolmogorov-Smirnov", n, float(stats.kstest(left, "norm").pvalue))
    short = add_gaussian_noise(total.float(), noise_multiplier=noise_multiplier, sensitivity=sensitivity, n_entries=n, random=random)
    moved = "" if short.device.type == place.kind else f"noise came back on {short.device.type}"
    yield {"test": "noise in a sum of float32, on the device", "n": n, "value": float(short.std()), "holds": not moved}


def _rates(place: Place) -> Iterator[dict[str, object]]:
    """Noise that a step of a large network needs, drawn on the CPU and made normal on the device."""
    n = 2**20 if place.small else 2**23
    total, random = torch.zeros(n, device=place.device), SecureRandom()
    seconds, _ = place.measured(lambda: add_gaussian_noise(total, noise_multiplier=1.0, sensitivity=1.0, n_entries=n, random=random))
    yield {"rate": "noise", "n": n, "values_per_second": n / seconds}


def _sampling(random: SecureRandom) -> Iterator[dict[str, object]]:
    """Poisson sampling: each unit enters with the rate, whoever else does, and steps are independent."""
    for rate in RATES:
        drawn = np.stack([random.bernoulli(rate, N_UNITS) for _ in range(N_DRAWS)])
        total = int(drawn.sum())
        yield _tested(
            f"sampling at rate {rate}: units sampled, binomial", drawn.size, float(stats.binomtest(total, drawn.size, rate).pvalue)
        )
        for name, counts, n in (("by unit", drawn.sum(0), N_DRAWS), ("by step", drawn.sum(1), N_UNITS)):
            spread = float(((counts - n * rate) ** 2 / (n * rate * (1 - rate))).sum())
            p = 2 * min(stats.chi2.sf(spread, len(counts)), stats.chi2.cdf(spread, len(counts)))
            yield _tested(f"sampling at rate {rate}: counts {name}, chi-square", len(counts), min(1.0, float(p)))


def _tested(name: str, n: int, p_value: float) -> dict[str, object]:
    return {"test": name, "n": n, "p_value": p_value, "holds": p_value > RAREST}
