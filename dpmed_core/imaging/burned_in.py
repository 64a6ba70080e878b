"""Text-like pixels in the corners of an image: names and dates that a scanner or a screenshot burned in.

A heuristic. Letters are strokes a few pixels wide, as bright (or as dark) as the image allows, many side by side, over several
rows. A pixel row of a corner counts as text where the grey value rises and falls again by `JUMP` of the image's range, or by
`JUMP_TO_WHITE` to or from pure white, at least `STROKES` times within `REACH` pixels each; `ROWS` such rows close together count
as text. A side marker, one lead letter, has fewer strokes; bones, tubes and collimator edges are single jumps; noise of this
amplitude does not occur in diagnostic radiographs. No character is recognised or kept: the result is only whether a person should
look at the image.
"""

import numpy as np
from numpy.typing import NDArray

CORNER_ROWS, CORNER_COLUMNS = 0.15, 0.4
SMALLEST_SIDE = 200
"""Images with a shorter side are too coarse for legible letters."""
SAMPLED_ROWS = 800
"""Of a larger image every n-th row is examined, so that about this many remain."""
JUMP, REACH = 0.35, 2
JUMP_TO_WHITE, WHITE = 0.12, 0.97
STROKES, ROWS, WITHIN_ROWS = 6, 5, 12


def has_text_in_corner(image: NDArray[np.float32]) -> bool:
    """Whether a corner of `image` `[rows, columns]` in [0, 1] shows what looks like letters or digits."""
    if min(image.shape) < SMALLEST_SIDE:
        return False
    image = image[:: max(1, min(image.shape) // SAMPLED_ROWS)]
    rows, columns = round(image.shape[0] * CORNER_ROWS), round(image.shape[1] * CORNER_COLUMNS)
    return any(_looks_like_text(image[down, across]) for down in _ends(rows) for across in _ends(columns))


def _ends(length: int) -> tuple[slice, slice]:
    """The first and the last `length` elements of an axis."""
    return slice(None, length), slice(-length, None)


def _looks_like_text(corner: NDArray[np.float32]) -> bool:
    """Whether `ROWS` of `WITHIN_ROWS` consecutive rows of `corner` have the strokes of text."""
    left, right = corner[:, :-REACH], corner[:, REACH:]
    rise, fall = right - left, left - right
    jumps = rise >= JUMP_TO_WHITE
    # An early exit for most corners: with fewer jumps in total, no five rows can have six each.
    if np.count_nonzero(jumps) < STROKES * ROWS:
        return False
    up = (rise >= JUMP) | (jumps & (right >= WHITE))
    down = (fall >= JUMP) | ((fall >= JUMP_TO_WHITE) & (left >= WHITE))
    # A stroke is a rise and a fall, so the smaller of both counts; the convolution counts text rows within a sliding window.
    text_rows = np.convolve(np.minimum(_run_starts(up), _run_starts(down)) >= STROKES, np.ones(WITHIN_ROWS, dtype=int))
    return bool(text_rows.max() >= ROWS)


def _run_starts(flags: NDArray[np.bool_]) -> NDArray[np.int64]:
    """How many runs of True begin in each row of `flags` `[rows, columns]`."""
    return np.asarray(flags[:, 0] + np.count_nonzero(flags[:, 1:] & ~flags[:, :-1], axis=1), dtype=np.int64)
