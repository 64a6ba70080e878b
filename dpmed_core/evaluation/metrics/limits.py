"""Confidence limits of a metric's values at any level, over patients: the one place that knows the scale of a metric's intervals."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dpmed_core.evaluation.metrics.metric import Scale
from dpmed_core.evaluation.statistics.intervals import TAIL, largest_logit_variance, logistic, logit, on_logit, symmetric, upper_quantile
from dpmed_core.evaluation.statistics.paired_limits import paired_distances

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Limits:
    """Values with what their limits are made from; arrays of one shape.

    Attributes:
        scale: on which the limits are symmetric.
        values: the estimates; NaN where not estimable.
        variance: over patients, on that scale.
        freedom: degrees of freedom of the variance.
        n_effective: patients whom a value rests on, weighed by their images.
    """

    scale: Scale
    values: Floats
    variance: Floats
    freedom: Floats
    n_effective: Floats

    def at(self, tail: ArrayLike = TAIL) -> tuple[Floats, Floats]:
        """Lower and upper limits, each of which leaves `tail` beyond it; `tail` may be an array that fits the values."""
        if self.scale is Scale.PLAIN:
            return symmetric(self.values, self.variance, self.freedom, tail=tail)
        return on_logit(self.values, self.bounded(tail), self.freedom, self.n_effective, tail=tail)

    def bounded(self, tail: ArrayLike = TAIL) -> Floats:
        """The variance, at most that of the exact limits of a share seen in as many patients, where the scale says so."""
        if self.scale is not Scale.LOGIT_BOUNDED:
            return self.variance
        return np.minimum(self.variance, largest_logit_variance(self.values, self.freedom, self.n_effective, tail=tail))

    def path(self, tail: ArrayLike = TAIL) -> "LimitsPath":
        """How the values move between these limits, for differences of them (`statistics.paired_limits`)."""
        low, high = self.at(tail)
        if self.scale is Scale.PLAIN:
            return LimitsPath(self.values, (high - low) / 2, at_end=np.zeros(self.values.shape, dtype=bool), on_logit=False)
        inside = (self.values > 0) & (self.values < 1)
        # At exactly 0 or 1 a value can only move away from there, to its one limit.
        reach = np.where(inside, upper_quantile(tail, self.freedom) * np.sqrt(self.bounded(tail)), high - low)
        return LimitsPath(self.values, reach, at_end=~inside & ~np.isnan(self.values), on_logit=True)

    @property
    def arrays(self) -> tuple[Floats, Floats, Floats, Floats]:
        """All arrays, in the order of the attributes."""
        return self.values, self.variance, self.freedom, self.n_effective

    def __getitem__(self, index: Any) -> "Limits":
        """Some of them."""
        return Limits(self.scale, *(array[index] for array in self.arrays))

    @classmethod
    def joined(cls, parts: Sequence["Limits"]) -> "Limits":
        """One row of all `parts`."""
        return cls(parts[0].scale, *(np.concatenate(arrays) for arrays in zip(*(part.arrays for part in parts), strict=True)))

    def filled(self, length: int) -> "Limits":
        """The row filled up to `length` with values of 1/2 that do not vary."""
        missing = length - len(self.values)
        filled = (np.append(array, np.full(missing, fill)) for array, fill in zip(self.arrays, (0.5, 0.0, 1.0, 1.0), strict=True))
        return Limits(self.scale, *filled)

    @classmethod
    def stacked(cls, rows: Sequence["Limits"]) -> "Limits":
        """Rows of one length as `[n, k]`."""
        return cls(rows[0].scale, *(np.stack(arrays) for arrays in zip(*(row.arrays for row in rows), strict=True)))


@dataclass(frozen=True, eq=False)
class LimitsPath:
    """How values move between their limits: straight on the scale of the limits, from the lower at u = -1 to the upper at u = 1.

    Attributes:
        values: the estimates, at u = 0.
        reach: from the estimate to a limit, on the scale of the limits.
        at_end: which values are exactly 0 or 1 and move to their other limit alone.
        on_logit: whether the scale is the logit.
    """

    values: Floats
    reach: Floats
    at_end: NDArray[np.bool_]
    on_logit: bool

    def value(self, u: Floats) -> Floats:
        """The values at u, an array of their shape."""
        if not self.on_logit:
            return self.values + u * self.reach
        inside = logistic(logit(self.values) + u * self.reach)
        return np.where(self.at_end, self.values + np.where(self._is_inward(u), u, 0) * self.reach, inside)

    def _is_inward(self, u: Floats) -> NDArray[np.bool_]:
        return np.where(self.values > 0.5, u <= 0, u >= 0)


@dataclass(frozen=True, eq=False)
class PairedLimits:
    """Differences of two values on the same patients, with what their limits are made from; arrays of one shape.

    Attributes:
        first, second: of which the difference is taken.
        correlation: of their estimates.
    """

    first: Limits
    second: Limits
    correlation: Floats

    @property
    def values(self) -> Floats:
        """First minus second."""
        return self.first.values - self.second.values

    def distances(self, tail: ArrayLike = TAIL) -> tuple[Floats, Floats]:
        """How far the lower and upper limits lie from the differences; `tail` may be an array that fits them."""
        return paired_distances(self.first.path(tail), self.second.path(tail), self.correlation)

    def __getitem__(self, index: Any) -> "PairedLimits":
        """Some of them."""
        return PairedLimits(self.first[index], self.second[index], self.correlation[index])

    @classmethod
    def joined(cls, parts: Sequence["PairedLimits"]) -> "PairedLimits":
        """One row of all `parts`."""
        first, second = (Limits.joined([getattr(part, name) for part in parts]) for name in ("first", "second"))
        return cls(first, second, np.concatenate([part.correlation for part in parts]))

    def filled(self, length: int) -> "PairedLimits":
        """The row filled up to `length` with differences of 0 that do not vary."""
        missing = length - len(self.correlation)
        return PairedLimits(self.first.filled(length), self.second.filled(length), np.append(self.correlation, np.zeros(missing)))

    @classmethod
    def stacked(cls, rows: Sequence["PairedLimits"]) -> "PairedLimits":
        """Rows of one length as `[n, k]`."""
        first, second = (Limits.stacked([getattr(row, name) for row in rows]) for name in ("first", "second"))
        return cls(first, second, np.stack([row.correlation for row in rows]))
