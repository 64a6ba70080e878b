"""Histograms of the segmented pancreas: they count voxels within the mask, and a darker mass changes them."""

import pytest
import torch

from dpmed_core.training.encoders.pancreas_histogram import BIN_CENTRES, N_BINS, SCALES, pancreas_histogram

SHAPE, CELLS = (32, 32, 32), (8, 8, 8)
BRIGHT, DARK = 0.64, 0.04
"""104 and 44 HU."""


@pytest.fixture
def mask():
    """The mask of a pancreas in the middle of a volume."""
    probabilities = torch.zeros(1, 1, *CELLS)
    probabilities[:, :, 3:5, 3:5, 3:5] = 1.0
    return probabilities


def nearest_bin(brightness):
    return min(range(len(BIN_CENTRES)), key=lambda i: abs(BIN_CENTRES[i] - brightness))


def test_a_homogeneous_pancreas_falls_into_its_bin_at_every_scale(mask):
    histogram = pancreas_histogram(torch.full((1, 1, *SHAPE), BRIGHT), mask)
    assert histogram.shape == (1, N_BINS)
    histograms = histogram[0, :-1].reshape(2 * len(SCALES), len(BIN_CENTRES))
    assert (histograms.argmax(dim=1) == nearest_bin(BRIGHT)).all()


def test_what_lies_outside_the_mask_is_not_counted(mask):
    volume = torch.full((1, 1, *SHAPE), BRIGHT)
    changed = volume.clone()
    changed[..., :4] = DARK
    assert torch.allclose(pancreas_histogram(volume, mask), pancreas_histogram(changed, mask), atol=1e-5)


def test_a_mass_is_seen_at_the_coarsest_scale_where_noise_is_averaged_out(mask):
    generator = torch.Generator().manual_seed(0)
    noise = 0.2 * torch.randn(1, 1, *SHAPE, generator=generator)
    volume = torch.full((1, 1, *SHAPE), BRIGHT)
    mass = volume.clone()
    mass[:, :, 12:20, 12:20, 12:20] = DARK
    without, with_it = (pancreas_histogram(v + noise, mask)[0, :-1].reshape(2 * len(SCALES), len(BIN_CENTRES)) for v in (volume, mass))
    gained = (with_it - without)[:, nearest_bin(DARK)]
    assert (gained > 0.02).all() and without[-2, nearest_bin(DARK)] < 0.02


def test_a_volume_without_a_mask_has_an_empty_histogram():
    histogram = pancreas_histogram(torch.zeros(2, 1, *SHAPE), torch.zeros(2, 1, *CELLS))
    assert torch.isfinite(histogram).all() and histogram.abs().max() < 1e-3
