"""Films as other detectors, clinics and software would show them: what the public encoder's training sees instead of the film itself."""

import torch
from torch import Tensor
from torch.nn import functional


def varied(films: Tensor) -> Tensor:
    """`films` `[n, 1, side, side]` (mean about 0, spread about 1) moved, cropped, stretched, coarsened, toned, flattened and made noisy."""
    toned = _toned(_coarsened(_moved(films)))
    return _with_marks(_flattened(toned)) + _draw(films, 0, 0.2) * torch.randn_like(films)


def _draw(films: Tensor, low: float, high: float) -> Tensor:
    return torch.empty(len(films), 1, 1, 1).uniform_(low, high)


def _moved(films: Tensor) -> Tensor:
    """Turned by up to 9 degrees, stretched by up to a third in either direction, shifted."""
    n = len(films)
    wide, high = torch.empty(2, n).uniform_(0.68, 1.15)
    angle, shift = torch.empty(n).uniform_(-0.15, 0.15), torch.empty(n, 2).uniform_(-0.15, 0.15)
    rows = (
        torch.stack([torch.cos(angle) * wide, -torch.sin(angle) * wide, shift[:, 0]], 1),
        torch.stack([torch.sin(angle) * high, torch.cos(angle) * high, shift[:, 1]], 1),
    )
    grid = functional.affine_grid(torch.stack(rows, 1), list(films.shape), align_corners=False)
    return functional.grid_sample(films, grid, align_corners=False, padding_mode="border")


def _coarsened(films: Tensor) -> Tensor:
    """Between sharpened and seen at a third of the resolution."""
    side = films.shape[-1]
    coarse = [functional.interpolate(films, size=(s, s), mode="area") for s in (side // 2, 2 * side // 5)]
    back = [functional.interpolate(c, size=(side, side), mode="bilinear") for c in coarse]
    share = _draw(films, -0.4, 2.0)
    return torch.where(share < 1, torch.lerp(films, back[0], share), torch.lerp(back[0], back[1], share - 1))


def _toned(films: Tensor) -> Tensor:
    curved = torch.sign(films) * films.abs() ** _draw(films, 0.65, 1.5)
    return curved * _draw(films, 0.5, 1.4) + _draw(films, -0.6, 0.6)


def _flattened(films: Tensor) -> Tensor:
    """Less of the coarse contrast, as equalising software leaves it, and a shadow across the film."""
    side = films.shape[-1]
    coarse = functional.interpolate(functional.adaptive_avg_pool2d(films, 6), size=(side, side), mode="bicubic")
    x = torch.linspace(-1, 1, side)
    shadow = _draw(films, -0.4, 0.4) * x.view(1, 1, 1, -1) + _draw(films, -0.4, 0.4) * x.view(1, 1, -1, 1)
    return films - _draw(films, -0.2, 0.6).clamp(min=0) * coarse + shadow


def _with_marks(films: Tensor) -> Tensor:
    """A bright letter or a thin line on some films."""
    side = films.shape[-1]
    row, column = torch.arange(side).view(1, 1, -1, 1), torch.arange(side).view(1, 1, 1, -1)
    top, left = _draw(films, 0, 0.9) * side, _draw(films, 0, 0.9) * side
    letter = (row >= top) & (row < top + 5) & (column >= left) & (column < left + _draw(films, 1, 6)) & (_draw(films, 0, 1) < 0.3)
    line = ((row - top - _draw(films, -2, 2) * (column - left)).abs() < 1) & (_draw(films, 0, 1) < 0.3)
    return films + 1.5 * letter + _draw(films, 0.3, 1.0) * line
