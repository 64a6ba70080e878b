import math

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from dpmed_core.training.dpsgd.lattice_noise import RELATIVE_SPACING, add_gaussian_noise, gaussian
from dpmed_core.training.dpsgd.secure_random import SecureRandom

ONE_IN_A_BILLION = 1e-9  # a test on true randomness fails so rarely


def noised(total, *, noise_multiplier=2.0, sensitivity=0.75, dtype=torch.float64):
    return add_gaussian_noise(
        total.to(dtype), noise_multiplier=noise_multiplier, sensitivity=sensitivity, n_entries=total.numel(), random=SecureRandom()
    )


@pytest.mark.parametrize("n", [0, 1, 7, 200_001])
def test_variates_are_as_many_as_asked_for_and_standard_normal(n):
    draws = gaussian(n, SecureRandom()).numpy()
    assert draws.shape == (n,)
    if n > 1000:
        assert kstest(draws, "norm").pvalue > ONE_IN_A_BILLION
        half = (n + 1) // 2
        assert abs(np.mean(draws[: half - 1] * draws[half:])) < 7 / math.sqrt(half), "both of a pair are independent"
        assert abs(np.mean(draws[: half - 1] ** 2 * draws[half:] ** 2) - 1) < 7 * 3 / math.sqrt(half)


def test_noise_has_the_scale_of_multiplier_and_sensitivity_and_the_sum_as_its_mean():
    total = torch.full((300, 500), 1.25)
    found = noised(total).numpy().ravel()
    assert kstest((found - 1.25) / (2.0 * 0.75), "norm").pvalue > ONE_IN_A_BILLION


def test_what_comes_out_lies_on_a_lattice_that_does_not_depend_on_the_data():
    spacing = RELATIVE_SPACING * 0.5  # 0.5 is the largest power of two in 0.75
    for total in (torch.zeros(1000), torch.rand(1000, dtype=torch.float64) * math.pi):
        steps = noised(total).numpy() / spacing
        assert (steps == np.rint(steps)).all()


def test_rounding_to_the_lattice_is_covered_by_the_noise():
    """Two sums of d entries that differ by the sensitivity lie, rounded, at most spacing * sqrt(d) further apart."""
    rng = np.random.default_rng(0)
    d, sensitivity = 50_000, 0.75
    spacing = RELATIVE_SPACING * 0.5
    one = rng.normal(size=d)
    other = one + sensitivity * (direction := rng.normal(size=d)) / np.linalg.norm(direction)
    apart = np.linalg.norm(np.rint(one / spacing) - np.rint(other / spacing)) * spacing
    assert apart <= sensitivity + spacing * math.sqrt(d)


def test_a_sum_in_double_precision_is_left_as_it_was():
    total = torch.linspace(-1, 1, 1000, dtype=torch.float64)
    before = total.clone()
    add_gaussian_noise(total, noise_multiplier=1.0, sensitivity=1.0, n_entries=1000, random=SecureRandom())
    assert torch.equal(total, before)
