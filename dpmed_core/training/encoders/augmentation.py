"""Augmentation of radiographs in the public encoder's training: as other detectors, clinics and software would show them."""

import torch
from torch import Tensor
from torch.nn import functional


def augment(radiographs: Tensor) -> Tensor:
    """`radiographs` with other geometry, resolution, tones and noise, and some with lines or letters; for the wide network.

    Args:
        radiographs: `[n, 1, side, side]`, of mean about 0 and standard deviation about 1.
    """
    toned = _toned(_coarsened(_moved(radiographs)))
    return _with_annotations(_flattened(toned)) + _draw(radiographs, 0, 0.2) * torch.randn_like(radiographs)


def augment_lightly(radiographs: Tensor) -> Tensor:
    """`radiographs` moved a little, sharper or coarser, with other tones and noise; for the narrow network."""
    toned = _curved(_softened(_nudged(radiographs)), 0.75, 1.3)
    return (
        toned * _draw(radiographs, 0.7, 1.3) + _draw(radiographs, -0.4, 0.4) + _draw(radiographs, 0, 0.15) * torch.randn_like(radiographs)
    )


def _nudged(radiographs: Tensor) -> Tensor:
    """Scaled by about 15 % at most, turned by up to 7 degrees, shifted by up to 6 % of the side."""
    n = len(radiographs)
    scale, shift = torch.empty(n).uniform_(0.85, 1.15), torch.empty(n, 2).uniform_(-0.12, 0.12)
    angle = torch.empty(n).uniform_(-0.12, 0.12)
    return _mapped(radiographs, (torch.cos(angle) * scale, -torch.sin(angle)), (torch.sin(angle), torch.cos(angle) * scale), shift)


def _softened(radiographs: Tensor) -> Tensor:
    """Between sharpened and seen at half the resolution."""
    coarse = functional.interpolate(functional.avg_pool2d(radiographs, 2), size=radiographs.shape[-2:], mode="bilinear")
    return torch.lerp(radiographs, coarse, _draw(radiographs, -0.4, 1.0))


def _curved(radiographs: Tensor, low: float, high: float) -> Tensor:
    """With another tone curve: a power between `low` and `high` of the distance from the middle grey."""
    return torch.sign(radiographs) * radiographs.abs() ** _draw(radiographs, low, high)


def _mapped(radiographs: Tensor, first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor], shift: Tensor) -> Tensor:
    """Radiographs under the affine map with rows `first` and `second`, borders repeated."""
    rows = torch.stack([torch.stack([*first, shift[:, 0]], 1), torch.stack([*second, shift[:, 1]], 1)], 1)
    # The map goes from output to input positions, so that scales below 1 magnify.
    grid = functional.affine_grid(rows, list(radiographs.shape), align_corners=False)
    return functional.grid_sample(radiographs, grid, align_corners=False, padding_mode="border")


def _draw(radiographs: Tensor, low: float, high: float) -> Tensor:
    """A uniform number between `low` and `high` for each radiograph, `[n, 1, 1, 1]`."""
    return torch.empty(len(radiographs), 1, 1, 1).uniform_(low, high)


def _moved(radiographs: Tensor) -> Tensor:
    """Turned by up to 9 degrees, scaled by 1 / 1.15 to 1 / 0.68 in each direction, shifted by up to 7.5 % of the side."""
    n = len(radiographs)
    wide, high = torch.empty(2, n).uniform_(0.68, 1.15)
    angle, shift = torch.empty(n).uniform_(-0.15, 0.15), torch.empty(n, 2).uniform_(-0.15, 0.15)
    turned = torch.cos(angle), torch.sin(angle)
    return _mapped(radiographs, (turned[0] * wide, -turned[1] * wide), (turned[1] * high, turned[0] * high), shift)


def _coarsened(radiographs: Tensor) -> Tensor:
    """Between sharpened and seen at two fifths of the resolution."""
    side = radiographs.shape[-1]
    coarse = [functional.interpolate(radiographs, size=(s, s), mode="area") for s in (side // 2, 2 * side // 5)]
    back = [functional.interpolate(c, size=(side, side), mode="bilinear") for c in coarse]
    # Below 0 the difference to the coarse image is added, which sharpens; from 0 to 2 it passes through both resolutions.
    share = _draw(radiographs, -0.4, 2.0)
    return torch.where(share < 1, torch.lerp(radiographs, back[0], share), torch.lerp(back[0], back[1], share - 1))


def _toned(radiographs: Tensor) -> Tensor:
    return _curved(radiographs, 0.65, 1.5) * _draw(radiographs, 0.5, 1.4) + _draw(radiographs, -0.6, 0.6)


def _flattened(radiographs: Tensor) -> Tensor:
    """With less coarse contrast, as after equalising software, and a brightness gradient across the radiograph."""
    side = radiographs.shape[-1]
    coarse = functional.interpolate(functional.adaptive_avg_pool2d(radiographs, 6), size=(side, side), mode="bicubic")
    x = torch.linspace(-1, 1, side)
    shadow = _draw(radiographs, -0.4, 0.4) * x.view(1, 1, 1, -1) + _draw(radiographs, -0.4, 0.4) * x.view(1, 1, -1, 1)
    return radiographs - _draw(radiographs, -0.2, 0.6).clamp(min=0) * coarse + shadow


def _with_annotations(radiographs: Tensor) -> Tensor:
    """With a bright rectangle like a side marker on some radiographs, and a thin line like a lead or tube on some."""
    side = radiographs.shape[-1]
    row, column = torch.arange(side).view(1, 1, -1, 1), torch.arange(side).view(1, 1, 1, -1)
    top, left = _draw(radiographs, 0, 0.9) * side, _draw(radiographs, 0, 0.9) * side
    letter = (
        (row >= top) & (row < top + 5) & (column >= left) & (column < left + _draw(radiographs, 1, 6)) & (_draw(radiographs, 0, 1) < 0.3)
    )
    line = ((row - top - _draw(radiographs, -2, 2) * (column - left)).abs() < 1) & (_draw(radiographs, 0, 1) < 0.3)
    return radiographs + 1.5 * letter + _draw(radiographs, 0.3, 1.0) * line
