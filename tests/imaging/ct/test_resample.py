"""Resampling: a scan on the stored grid is unchanged, others agree with SimpleITK, and a file's layout does not change the volume."""

from itertools import permutations, product

import numpy as np
import pytest
import SimpleITK as sitk

from dpmed_core.imaging.ct.geometry import Geometry, even_positions
from dpmed_core.imaging.ct.resample import GRID, resampled, weights
from dpmed_core.imaging.volume_grid import AIR, SHAPE, SPACING_MM
from tests.image_files import asymmetric_volume

UPRIGHT = np.array([[0.0, 0, 1], [0, 1, 0], [1, 0, 0]])
"""Directions of a scan whose slices, rows and columns run along z, y and x."""


def geometry_of(shape: tuple[int, ...], spacing: tuple[float, ...], directions: np.ndarray = UPRIGHT) -> Geometry:
    slices, rows, columns = (even_positions(length, step) for length, step in zip(shape, spacing, strict=True))
    return Geometry(directions, (slices, rows, columns))


def by_simpleitk(values: np.ndarray, spacing: tuple[float, float, float], directions: np.ndarray = UPRIGHT) -> np.ndarray:
    """`values` on the stored grid, resampled linearly and centred by SimpleITK."""
    image = sitk.GetImageFromArray(values.astype(np.float32))
    image.SetSpacing(spacing[::-1])
    image.SetDirection(directions[:, ::-1].ravel().tolist())
    centre = image.TransformContinuousIndexToPhysicalPoint([(length - 1) / 2 for length in image.GetSize()])
    grid = sitk.Image(*SHAPE[::-1], sitk.sitkFloat32)
    grid.SetSpacing(SPACING_MM[::-1])
    grid.SetOrigin([middle - (length - 1) / 2 * 4 for middle, length in zip(centre, SHAPE[::-1], strict=True)])
    return np.asarray(sitk.GetArrayFromImage(sitk.Resample(image, grid, sitk.Transform(), sitk.sitkLinear, AIR)))


def test_a_scan_on_the_grid_is_stored_unchanged() -> None:
    values = asymmetric_volume(SHAPE)
    assert np.array_equal(resampled(values.astype(float), geometry_of(SHAPE, SPACING_MM)), values)


def test_a_coarser_scan_is_interpolated_linearly_as_by_simpleitk() -> None:
    values, spacing = asymmetric_volume((20, 60, 50)), (5.0, 4.5, 6.0)
    ours = resampled(values.astype(float), geometry_of(values.shape, spacing))
    theirs = by_simpleitk(values, spacing)
    inside = theirs != AIR
    assert inside.sum() > 50_000
    assert np.abs(ours[inside] - theirs[inside]).max() <= 0.51


def test_a_finer_scan_is_averaged_so_that_a_checkerboard_becomes_grey_and_means_are_kept() -> None:
    checkerboard = 1000.0 * (np.indices((256, 96, 96)).sum(axis=0) % 2)
    stored = resampled(checkerboard, geometry_of(checkerboard.shape, (1.0, 1.0, 1.0)))
    middle = stored[16:48, 40:56, 40:56]
    assert middle.min() >= 495 and middle.max() <= 505


def test_a_finer_smooth_scan_agrees_with_simpleitk() -> None:
    z, y, x = np.meshgrid(
        *(even_positions(length, step) for length, step in zip((90, 200, 200), (2.0, 1.0, 1.0), strict=True)), indexing="ij"
    )
    values = 300 * np.sin(x / 30) * np.cos(y / 25) + 200 * np.sin(z / 40)
    ours = resampled(values, geometry_of(values.shape, (2.0, 1.0, 1.0)))
    theirs = by_simpleitk(values, (2.0, 1.0, 1.0))
    inside = (slice(12, -12), slice(26, -26), slice(26, -26))
    assert np.abs(ours[inside] - theirs[inside]).max() < 10


def test_every_order_and_direction_of_the_files_axes_gives_the_same_volume() -> None:
    values, spacing = asymmetric_volume((50, 70, 60)), (3.0, 1.7, 2.3)
    expected = resampled(values.astype(float), geometry_of(values.shape, spacing))
    for order, signs in product(permutations(range(3)), product((1, -1), repeat=3)):
        turned = values.transpose(order)[:: signs[0], :: signs[1], :: signs[2]].astype(float)
        directions = UPRIGHT[:, order] * signs
        found = resampled(turned, geometry_of(turned.shape, tuple(spacing[axis] for axis in order), directions))
        assert np.array_equal(found, expected), (order, signs)


@pytest.mark.parametrize("degrees", [12.0, -25.0])
def test_an_oblique_scan_agrees_with_simpleitk(degrees: float) -> None:
    cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    turn = np.array([[1.0, 0, 0], [0, cosine, -sine], [0, sine, cosine]])
    shape, spacing = (50, 80, 70), (4.0, 4.0, 4.0)
    z, y, x = np.meshgrid(*(even_positions(length, 4.0) for length in shape), indexing="ij")
    values = 3.0 * x + 1.5 * y - 2.0 * z + 100 * np.sin(x / 40)
    ours = resampled(values, geometry_of(shape, spacing, turn @ UPRIGHT))
    theirs = by_simpleitk(values, spacing, turn @ UPRIGHT)
    inside = (theirs != AIR) & (ours != AIR)
    assert inside.sum() > 100_000
    assert np.quantile(np.abs(ours[inside] - theirs[inside]), 0.99) < 2.0


def test_weights_sum_to_one_inside_and_to_zero_outside_also_with_uneven_samples() -> None:
    samples = np.array([-11.0, -8, -5, -2, 4, 7, 10])
    sums = weights(samples, GRID[0], 4.0).sum(axis=1)
    outside = (GRID[0] < -12.5) | (GRID[0] > 11.5)
    assert np.allclose(sums[~outside], 1) and not sums[outside].any()
    assert np.array_equal(weights(samples, np.array([20.0]), 4.0), np.zeros((1, 7)))
