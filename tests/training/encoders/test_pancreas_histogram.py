"""Histograms of the marked gland: they count where the marks are, and a darker mass moves them."""

import pytest
import torch

from dpmed_core.training.encoders.pancreas_histogram import GREYS, N_GREYS, SCALES, gland_greys

SHAPE, CELLS = (32, 32, 32), (8, 8, 8)
BRIGHT, DARK = 0.64, 0.04
"""104 and 44 HU."""


@pytest.fixture
def marked():
    """Marks of a gland in the middle of a volume."""
    likely = torch.zeros(1, 1, *CELLS)
    likely[:, :, 3:5, 3:5, 3:5] = 1.0
    return likely


def nearest_bin(brightness):
    return min(range(len(GREYS)), key=lambda i: abs(GREYS[i] - brightness))


def test_an_even_gland_falls_into_its_bin_at_every_scale(marked):
    greys = gland_greys(torch.full((1, 1, *SHAPE), BRIGHT), marked)
    assert greys.shape == (1, N_GREYS)
    histograms = greys[0, :-1].reshape(2 * len(SCALES), len(GREYS))
    assert (histograms.argmax(dim=1) == nearest_bin(BRIGHT)).all()


def test_what_lies_outside_the_marks_is_not_counted(marked):
    volume = torch.full((1, 1, *SHAPE), BRIGHT)
    changed = volume.clone()
    changed[..., :4] = DARK
    assert torch.allclose(gland_greys(volume, marked), gland_greys(changed, marked), atol=1e-5)


def test_a_mass_is_seen_at_the_coarsest_scale_where_noise_has_given_way(marked):
    generator = torch.Generator().manual_seed(0)
    noise = 0.2 * torch.randn(1, 1, *SHAPE, generator=generator)
    volume = torch.full((1, 1, *SHAPE), BRIGHT)
    mass = volume.clone()
    mass[:, :, 12:20, 12:20, 12:20] = DARK
    without, with_it = (gland_greys(v + noise, marked)[0, :-1].reshape(2 * len(SCALES), len(GREYS)) for v in (volume, mass))
    gained = (with_it - without)[:, nearest_bin(DARK)]
    assert (gained > 0.02).all() and without[-2, nearest_bin(DARK)] < 0.02


def test_a_volume_without_marks_has_an_empty_histogram():
    greys = gland_greys(torch.zeros(2, 1, *SHAPE), torch.zeros(2, 1, *CELLS))
    assert torch.isfinite(greys).all() and greys.abs().max() < 1e-3
