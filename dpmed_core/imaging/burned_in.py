"""Text-like pixels in the corners of a picture: names and dates that a scanner or a screenshot burned in.

A heuristic. Letters are strokes a few pixels wide, as bright (or as dark) as the picture allows, many side by side, over several
rows. A row of a corner counts as written on where the picture jumps up and down again by `JUMP` of its range, or by
`JUMP_TO_WHITE` to or from plain white, at least `STROKES` times within `REACH` pixels each; `ROWS` such rows close together make
text. A side marker, one letter of lead, has fewer strokes; bones, tubes and the edges of a collimator are single jumps; noise of
that size is not seen in a picture that anybody would read. Nothing is recognised and nothing of it is kept: only whether there is
something to look at.
"""

import numpy as np
from numpy.typing import NDArray

CORNER_ROWS, CORNER_COLUMNS = 0.15, 0.4
SMALLEST_SIDE = 200
"""Pictures with a shorter side are too coarse for letters that could be read."""
SAMPLED_ROWS = 800
"""Of a large picture every second row or so is looked at."""
JUMP, REACH = 0.35, 2
JUMP_TO_WHITE, WHITE = 0.12, 0.97
STROKES, ROWS, WITHIN_ROWS = 6, 5, 12


def has_text_in_corner(picture: NDArray[np.float32]) -> bool:
    """Whether a corner of `picture` `[rows, columns]` in [0, 1] carries what looks like letters or digits."""
    if min(picture.shape) < SMALLEST_SIDE:
        return False
    picture = picture[:: max(1, min(picture.shape) // SAMPLED_ROWS)]
    rows, columns = round(picture.shape[0] * CORNER_ROWS), round(picture.shape[1] * CORNER_COLUMNS)
    return any(_is_written_on(picture[down, across]) for down in _ends(rows) for across in _ends(columns))


def _ends(length: int) -> tuple[slice, slice]:
    return slice(None, length), slice(-length, None)


def _is_written_on(corner: NDArray[np.float32]) -> bool:
    left, right = corner[:, :-REACH], corner[:, REACH:]
    rise, fall = right - left, left - right
    jumps = rise >= JUMP_TO_WHITE
    if np.count_nonzero(jumps) < STROKES * ROWS:  # as in most corners: so few are no text, wherever they are
        return False
    up = (rise >= JUMP) | (jumps & (right >= WHITE))
    down = (fall >= JUMP) | ((fall >= JUMP_TO_WHITE) & (left >= WHITE))
    written = np.convolve(np.minimum(_starts(up), _starts(down)) >= STROKES, np.ones(WITHIN_ROWS, dtype=int))
    return bool(written.max() >= ROWS)


def _starts(flags: NDArray[np.bool_]) -> NDArray[np.int64]:
    """How many runs of True begin in each row."""
    return np.asarray(flags[:, 0] + np.count_nonzero(flags[:, 1:] & ~flags[:, :-1], axis=1), dtype=np.int64)
