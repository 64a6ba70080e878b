"""Masks of the findings drawn on a synthetic radiograph: the pixels that differ without the finding."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter

from dpmed_core.phantoms.chest.anatomy import Grid, cage_half_width, smooth_step
from dpmed_core.phantoms.chest.population import FINDINGS, SEED_DOMAINS, Variant
from dpmed_core.phantoms.chest.radiograph import IMAGE_STREAM, attenuation, draw_body

LOCALISED_FINDINGS = tuple(finding for finding in FINDINGS if finding != "congestion")
"""Findings with a circumscribed site; congestion affects both lungs as a whole."""
MARKED_SHARE = 0.25
"""A pixel belongs to the lesion if its attenuation changes by at least this share of the largest change."""
TOLERANCE = 0.03
"""A point within this distance of the lesion, as a share of the radiograph's side, counts as on it."""


def lesion_mask(radiograph: pd.Series, index: int, *, finding: str, size: int, seed: int, variant: Variant = "demo") -> NDArray[np.bool_]:
    """The pixels `[size, size]` that `finding` changes on a synthetic radiograph; all False if it does not show the finding.

    The attenuation is drawn with and without the finding, from the same random numbers. Changes of the body's shape count for cardiomegaly
    alone: in atelectasis, the displaced mediastinum and diaphragm are not part of the lesion.

    Args:
        radiograph: a row of `population.draw_population`.
        index: number of the row.
        finding: one of `LOCALISED_FINDINGS`.
        size: pixels of a side.
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
    """The pixels `[size, size]` within the rib cage of a synthetic radiograph, heart and lungs; arguments as for `lesion_mask`."""
    severity = {name: float(radiograph[f"severity_{name}"]) for name in FINDINGS}
    body = draw_body(radiograph, severity, variant, np.random.default_rng([SEED_DOMAINS[variant], seed, IMAGE_STREAM, index]))
    grid = Grid.of(size)
    beside = smooth_step(cage_half_width(body, grid.y) - np.abs(grid.x), 0.01)
    above = (grid.y > body.apex) & (grid.y < body.diaphragm + 0.25)
    return np.asarray((beside > 0.5) & above)


def widened(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """`mask` `[size, size]` widened by `TOLERANCE` in both directions."""
    reach = 2 * round(TOLERANCE * mask.shape[-1]) + 1
    return np.asarray(maximum_filter(mask, reach))
