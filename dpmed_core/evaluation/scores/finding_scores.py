"""The scores of one run for one finding, and how many of them reach a threshold."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dpmed_core.evaluation.scores.design import Design

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FindingScores:
    """The scores of one run for one finding.

    Attributes:
        scores: `[n_cases]`, larger = more suspicious.
        design: labels and subgroups.
        thresholds: `[1 + n_replicates]`, first the threshold in use, then those of resampled validation patients; NaN where none can be
            chosen; None for metrics that need no threshold.
    """

    scores: Floats = field(repr=False)
    design: Design = field(repr=False)
    thresholds: Floats | None = field(default=None, repr=False)

    @cached_property
    def flagged(self) -> Floats:
        """Images at or above the threshold, by class and cell `[2, n_cells]`, negatives first."""
        assert self.thresholds is not None, "this metric needs a threshold"
        return self.design.sum_cases(self.scores >= self.thresholds[0])

    @cached_property
    def flagged_at_replicates(self) -> tuple[Floats, Floats]:
        """Images at or above each replicate's threshold, and all images, by class and subgroup: two arrays `[2, n_groups, n_replicates]`.

        Replicate k is the k-th resample of the validation patients, in every run and finding.
        """
        assert self.thresholds is not None, "this metric needs a threshold"
        # Sorted thresholds let one pass over the images serve all of them: an image reaches its first `passed` thresholds, so the images
        # at or above a threshold are a sum from the right over counts by `passed`.
        cuts = usable_thresholds(self.thresholds)
        order = np.argsort(cuts, kind="stable")
        usable = cuts[order]
        passed, width = np.searchsorted(usable, self.scores, side="right"), len(usable) + 1
        by_block: list[Floats] = []
        for placement in self.design.placements:
            n_bins = len(placement.sizes) * 2 * width
            bins = (placement.codes.astype(np.intp) * 2 + self.design.positive) * width + passed
            counts = np.bincount(bins, minlength=n_bins)[:n_bins].reshape(-1, 2, width)
            by_block.append(counts[:, :, ::-1].cumsum(axis=2)[:, :, ::-1].astype(float))
        # Column 0 counts the images that reach no threshold or more, that is all of them.
        at = np.concatenate(by_block).transpose(1, 0, 2)
        by_resample = at[:, :, 1:][:, :, np.argsort(order)]
        return by_resample, np.repeat(at[:, :, :1], width - 1, axis=2)


def usable_thresholds(thresholds: Floats) -> Floats:
    """The thresholds of the resamples `[n_replicates]`, without the first, which is the one that is used.

    A resample without one of the classes gives no threshold; the median of the others stands in its place.
    """
    cuts = thresholds[1:]
    return np.where(np.isnan(cuts), np.nanmedian(cuts), cuts)
