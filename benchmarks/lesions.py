"""Where a phantom's disease was planted: the pixels that would look otherwise without it."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter

from dpmed_core.phantoms.chest.anatomy import Grid, cage_half_width, smooth_step
from dpmed_core.phantoms.chest.population import FINDINGS, SEED_DOMAINS, Variant
from dpmed_core.phantoms.chest.radiograph import IMAGE_STREAM, attenuation, draw_body

LOCALISED_FINDINGS = tuple(finding for finding in FINDINGS if finding != "congestion")
"""Findings that have a place; congestion is everywhere in both lungs."""
MARKED_SHARE = 0.25
"""A pixel belongs to the lesion where it changes attenuation by this share of the largest change."""
TOLERANCE = 0.03
"""A point this near to the lesion, as a share of the radiograph's side, counts as on it."""


def lesion_mask(radiograph: pd.Series, index: int, *, finding: str, size: int, seed: int, variant: Variant = "demo") -> NDArray[np.bool_]:
    """The pixels `[size, size]` that `finding` changes on the radiograph of row `radiograph`; all False where it shows none.

    The radiograph is drawn with the finding and without it, from the same random numbers. A body that the finding reshapes counts for the
    heart's size alone; where lung collapses, what it pulls on is not the lesion.

    Args:
        radiograph: row of a population.
        index: its number in the population.
        finding: one of `LOCALISED_FINDINGS`.
        size: pixels a side.
        seed: of the population.
        variant: of the population.
    """
    severity = {name: float(radiograph[f"severity_{name}"]) for name in FINDINGS}
    without = {**severity, finding: 0.0}
    fields = []
    for planted in (severity, without):
        generator = np.random.default_rng([SEED_DOMAINS[variant], seed, IMAGE_STREAM, index])
        body = draw_body(radiograph, planted if finding == "cardiomegaly" else severity, variant, generator)
        fields.append(attenuation(Grid.of(size), body, planted, generator))
    change = np.abs(fields[0] - fields[1])
    return np.asarray((change >= MARKED_SHARE * change.max()) & (change > 0))


def thorax_mask(radiograph: pd.Series, index: int, *, size: int, seed: int, variant: Variant = "demo") -> NDArray[np.bool_]:
    """The pixels `[size, size]` inside the rib cage, heart and lungs together, of the radiograph of row `radiograph`."""
    severity = {name: float(radiograph[f"severity_{name}"]) for name in FINDINGS}
    body = draw_body(radiograph, severity, variant, np.random.default_rng([SEED_DOMAINS[variant], seed, IMAGE_STREAM, index]))
    grid = Grid.of(size)
    beside = smooth_step(cage_half_width(body, grid.y) - np.abs(grid.x), 0.01)
    above = (grid.y > body.apex) & (grid.y < body.diaphragm + 0.25)
    return np.asarray((beside > 0.5) & above)


def widened(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """`mask` with everything within `TOLERANCE` of it."""
    reach = 2 * round(TOLERANCE * mask.shape[-1]) + 1
    return np.asarray(maximum_filter(mask, reach))
