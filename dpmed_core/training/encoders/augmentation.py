"""Radiographs as other detectors, clinics and software would show them: what the public encoder's training sees instead of the radiograph itself."""

import torch
from torch import Tensor
from torch.nn import functional


def varied(radiographs: Tensor) -> Tensor:
    """`radiographs` `[n, 1, side, side]` (mean about 0, spread about 1) moved, cropped, stretched, coarsened, toned, flattened and made noisy."""
    toned = _toned(_coarsened(_moved(radiographs)))
    return _with_marks(_flattened(toned)) + _draw(radiographs, 0, 0.2) * torch.randn_like(radiographs)


def lightly_varied(radiographs: Tensor) -> Tensor:
    """`radiographs` as the narrow network's training sees them: moved a little, sharper or coarser, in other tones, with noise."""
    toned = _curved(_softened(_nudged(radiographs)), 0.75, 1.3)
    return (
        toned * _draw(radiographs, 0.7, 1.3) + _draw(radiographs, -0.4, 0.4) + _draw(radiographs, 0, 0.15) * torch.randn_like(radiographs)
    )


def _nudged(radiographs: Tensor) -> Tensor:
    n = len(radiographs)
    scale, shift = torch.empty(n).uniform_(0.85, 1.15), torch.empty(n, 2).uniform_(-0.12, 0.12)
    angle = torch.empty(n).uniform_(-0.12, 0.12)
    return _mapped(radiographs, (torch.cos(angle) * scale, -torch.sin(angle)), (torch.sin(angle), torch.cos(angle) * scale), shift)


def _softened(radiographs: Tensor) -> Tensor:
    coarse = functional.interpolate(functional.avg_pool2d(radiographs, 2), size=radiographs.shape[-2:], mode="bilinear")
    return torch.lerp(radiographs, coarse, _draw(radiographs, -0.4, 1.0))


def _curved(radiographs: Tensor, low: float, high: float) -> Tensor:
    return torch.sign(radiographs) * radiographs.abs() ** _draw(radiographs, low, high)


def _mapped(radiographs: Tensor, first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor], shift: Tensor) -> Tensor:
    """Radiographs under the affine map with rows `first` and `second`, borders repeated."""
    rows = torch.stack([torch.stack([*first, shift[:, 0]], 1), torch.stack([*second, shift[:, 1]], 1)], 1)
    grid = functional.affine_grid(rows, list(radiographs.shape), align_corners=False)
    return functional.grid_sample(radiographs, grid, align_corners=False, padding_mode="border")


def _draw(radiographs: Tensor, low: float, high: float) -> Tensor:
    return torch.empty(len(radiographs), 1, 1, 1).uniform_(low, high)


def _moved(radiographs: Tensor) -> Tensor:
    """Turned by up to 9 degrees, stretched by up to a third in either direction, shifted."""
    n = len(radiographs)
    wide, high = torch.empty(2, n).uniform_(0.68, 1.15)
    angle, shift = torch.empty(n).uniform_(-0.15, 0.15), torch.empty(n, 2).uniform_(-0.15, 0.15)
    turned = torch.cos(angle), torch.sin(angle)
    return _mapped(radiographs, (turned[0] * wide, -turned[1] * wide), (turned[1] * high, turned[0] * high), shift)


def _coarsened(radiographs: Tensor) -> Tensor:
    """Between sharpened and seen at a third of the resolution."""
    side = radiographs.shape[-1]
    coarse = [functional.interpolate(radiographs, size=(s, s), mode="area") for s in (side // 2, 2 * side // 5)]
    back = [functional.interpolate(c, size=(side, side), mode="bilinear") for c in coarse]
    share = _draw(radiographs, -0.4, 2.0)
    return torch.where(share < 1, torch.lerp(radiographs, back[0], share), torch.lerp(back[0], back[1], share - 1))


def _toned(radiographs: Tensor) -> Tensor:
    return _curved(radiographs, 0.65, 1.5) * _draw(radiographs, 0.5, 1.4) + _draw(radiographs, -0.6, 0.6)


def _flattened(radiographs: Tensor) -> Tensor:
    """Less of the coarse contrast, as equalising software leaves it, and a shadow across the radiograph."""
    side = radiographs.shape[-1]
    coarse = functional.interpolate(functional.adaptive_avg_pool2d(radiographs, 6), size=(side, side), mode="bicubic")
    x = torch.linspace(-1, 1, side)
    shadow = _draw(radiographs, -0.4, 0.4) * x.view(1, 1, 1, -1) + _draw(radiographs, -0.4, 0.4) * x.view(1, 1, -1, 1)
    return radiographs - _draw(radiographs, -0.2, 0.6).clamp(min=0) * coarse + shadow


def _with_marks(radiographs: Tensor) -> Tensor:
    """A bright letter or a thin line on some radiographs."""
    side = radiographs.shape[-1]
    row, column = torch.arange(side).view(1, 1, -1, 1), torch.arange(side).view(1, 1, 1, -1)
    top, left = _draw(radiographs, 0, 0.9) * side, _draw(radiographs, 0, 0.9) * side
    letter = (
        (row >= top) & (row < top + 5) & (column >= left) & (column < left + _draw(radiographs, 1, 6)) & (_draw(radiographs, 0, 1) < 0.3)
    )
    line = ((row - top - _draw(radiographs, -2, 2) * (column - left)).abs() < 1) & (_draw(radiographs, 0, 1) < 0.3)
    return radiographs + 1.5 * letter + _draw(radiographs, 0.3, 1.0) * line
