"""Scattering: fixed filters in two and three dimensions, and properties of their coefficients."""

import numpy as np
import pytest
import torch

from dpmed_core.training.encoders.scattering import N_PATHS as N_IMAGE_PATHS
from dpmed_core.training.encoders.scattering import SIDE, STRIDE, scatter
from dpmed_core.training.encoders.scattering_3d import DIRECTIONS, GRID, N_PATHS, scatter_volumes
from dpmed_core.training.encoders.wavelets import FREQUENCY, SIGMA, gaussian, morlet

SHAPE = (16, 24, 24)


def wave(direction, *, shape=SHAPE):
    """A plane wave along `direction` with the centre frequency of the finest wavelets, `[1, 1, *shape]`."""
    unit = np.array(direction) / np.linalg.norm(direction)
    axes = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    return torch.tensor(np.cos(FREQUENCY * sum(u * a for u, a in zip(unit, axes, strict=True))), dtype=torch.float32)[None, None]


@pytest.mark.parametrize("shape", [(32, 32), (16, 24), SHAPE])
def test_a_wavelet_does_not_respond_to_a_constant_and_most_to_its_own_frequency(shape):
    direction = np.eye(len(shape))[-1]
    response = morlet(shape, SIGMA, FREQUENCY, direction, 0.6)
    assert abs(response[(0,) * len(shape)]) < 1e-12
    peak = np.unravel_index(response.argmax(), shape)
    assert peak[:-1] == (0,) * (len(shape) - 1)
    assert 2 * np.pi * peak[-1] / shape[-1] == pytest.approx(FREQUENCY, abs=0.35)


def test_a_gaussian_has_the_spectrum_of_its_width():
    """On a fine grid, against the closed form exp(-sigma^2 w^2 / 2)."""
    line = 2 * np.pi * np.fft.fftfreq(64)
    found = gaussian((64, 64), 2.0, 0.0, np.array([1.0, 0.0]), 1.0)
    assert np.allclose(found[:, 0], np.exp(-2.0 * line**2), atol=1e-4)


def test_coefficients_have_the_shape_they_say():
    assert scatter(torch.zeros(2, 1, SIDE, SIDE)).shape == (2, N_IMAGE_PATHS, SIDE // STRIDE, SIDE // STRIDE)
    assert scatter_volumes(torch.zeros(2, 1, *SHAPE)).shape == (2, N_PATHS, *GRID)


def test_an_empty_volume_has_no_coefficients_and_twice_the_volume_twice_them():
    generator = torch.Generator().manual_seed(0)
    volume = torch.rand(1, 1, *SHAPE, generator=generator)
    assert scatter_volumes(torch.zeros(1, 1, *SHAPE)).abs().max() == 0
    assert torch.allclose(scatter_volumes(2 * volume), 2 * scatter_volumes(volume), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("number", range(len(DIRECTIONS)))
def test_the_wavelet_of_its_direction_responds_most_to_a_wave(number):
    first = scatter_volumes(wave(DIRECTIONS[number]))[0, 1 : 1 + len(DIRECTIONS)].mean(dim=(1, 2, 3))
    assert int(first.argmax()) == number


def test_a_small_shift_changes_coefficients_little_and_another_texture_much():
    generator = torch.Generator().manual_seed(1)
    volume = torch.rand(1, 1, *SHAPE, generator=generator)
    other = torch.nn.functional.avg_pool3d(volume, 3, 1, 1)
    here, shifted, smooth = (scatter_volumes(v)[:, 1:] for v in (volume, torch.roll(volume, 1, dims=4), other))
    assert (here - shifted).norm() < 0.25 * (here - smooth).norm()
