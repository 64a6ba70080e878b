"""Excess losses that are judged together: over subgroups, findings and budgets, with bounds that hold for all of them at once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dpmed_core.evaluation.metrics.chance import ChanceOfRuns, chance_of, difference_of
from dpmed_core.evaluation.metrics.excess import Excess
from dpmed_core.evaluation.metrics.limits import PairedLimits
from dpmed_core.evaluation.statistics.combination import Combination
from dpmed_core.evaluation.statistics.intervals import added, upper_quantile
from dpmed_core.evaluation.statistics.multiplicity import holm, max_t
from dpmed_core.evaluation.statistics.power import detectable

LEVEL = 0.05
"""The family-wise error of the lower bounds, and again of the upper bounds."""
NOMINAL_POWER = 0.86
"""What is printed as detectable is found with a probability of 80 %; the noncentral t distribution is asked for this, since it takes the
degrees of freedom as known while those of few patients are estimated (chosen by simulation, `benchmarks/verdict.py`)."""
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class JointExcesses:
    """Excesses of one recipe, unit and reference.

    Attributes:
        each: the excesses, all of one panel and with one reference `[n]`.
    """

    each: Sequence[Excess] = field(repr=False)

    @property
    def knows_training(self) -> bool:
        """Whether chance in training is known for all of them."""
        return all(e.pair.knows_training for e in self.each)

    @cached_property
    def bounds(self) -> tuple[Floats, Floats]:
        """Lower bounds of which all hold at once in 95 % of cohorts, and upper bounds of which the same is true."""
        return self._combination.limits(self._single)

    @cached_property
    def p_values(self) -> tuple[Floats, Floats, Floats]:
        """One-sided p-values of the hypotheses that an excess is at most 0: each alone, adjusted for all, and by Holm's method."""
        return self._p, self._adjusted[0], holm(self._p)

    @cached_property
    def detectable(self) -> Floats:
        """The excess that its lower bound finds with a probability of 80 %, from the design: the patients, and what training adds.

        What training adds is what all variances between runs together lead to expect, not what these few runs happened to show. NaN where
        not even a fall to 0.5 would be found: a larger one is no loss that privacy could cause.
        """
        patients, freedom = np.array([[e.variance, e.freedom] for e in self.each]).T
        private, other, _ = self._chance
        training, joint = added(private.expected, private.freedom, other.expected, other.freedom)
        total, both = added(patients, freedom, training, joint)
        # The bound is where the limits of the parts put it. Near 1 that is farther out than the error of the excess says.
        with np.errstate(divide="ignore", invalid="ignore"):
            beyond = self._combination.distances(self._single)[0] / (upper_quantile(self._single, both) * np.sqrt(total))
        factor = np.fmax(np.where(np.isfinite(beyond), beyond, 1), 1)
        found = detectable(np.sqrt(total) * factor, both, level=self._single, power=NOMINAL_POWER)
        possible = np.array([e.reference_value for e in self.each]) - 0.5
        return np.where(found <= possible, found, np.nan)

    @cached_property
    def _p(self) -> Floats:
        return self._combination.upper_p()

    @cached_property
    def _adjusted(self) -> tuple[Floats, float]:
        return max_t(self._p, self._correlation, level=LEVEL)

    @property
    def _single(self) -> float:
        """The tail at which each is judged."""
        return self._adjusted[1]

    @cached_property
    def _chance(self) -> tuple[ChanceOfRuns, ChanceOfRuns, Floats]:
        """What training adds to each through its private arm and its reference `[n]`, and the covariance that they share `[n, n]`."""
        places = [(e.finding_index, e.group) for e in self.each]
        distinct = list(dict.fromkeys(places))
        at = np.array([distinct.index(place) for place in places])
        arms = [int(e.pair.private.arm.runs[0]) for e in self.each]
        rows_of_arm = [[i for i, of in enumerate(arms) if of == arm] for arm in dict.fromkeys(arms)]
        first = [places.index(place) for place in distinct]
        by_run = [np.stack([self.each[i].by_private for i in rows], axis=1) for rows in rows_of_arm]
        sizes = [np.array([self.each[i].size_private for i in rows]) for rows in rows_of_arm]
        n_findings = len({finding for finding, _ in places})
        private = chance_of(by_run, sizes, n_findings=n_findings)
        (reference,) = chance_of(
            [np.stack([self.each[i].by_non_private for i in first], axis=1)],
            [np.array([self.each[i].size_non_private for i in first])],
            n_findings=n_findings,
        )
        back = np.argsort(np.concatenate(rows_of_arm))
        of_private = ChanceOfRuns(
            *(np.concatenate([getattr(c, name) for c in private])[back] for name in ("variance", "freedom", "expected"))
        )
        of_reference = ChanceOfRuns(reference.variance[at], reference.freedom[at], reference.expected[at])
        # Budgets share the runs of their reference, and so what chance did to them.
        shared = (at[:, None] == at[None, :]) * np.sqrt(np.outer(of_reference.variance, of_reference.variance))
        return of_private, of_reference, shared

    @cached_property
    def _training(self) -> tuple[Floats, Floats]:
        private, reference, _ = self._chance
        return difference_of(private, reference, n_runs=(2, 2) if self.knows_training else (1, 1))

    @cached_property
    def _correlation(self) -> Floats:
        """Of the excesses `[n, n]`.

        What training adds counts as uncorrelated but for the shared reference: stricter than any positive correlation, and close to
        Bonferroni's bound, which no correlation passes.
        """
        influence = np.stack([e.influence for e in self.each])
        covariance = (influence @ influence.T).astype(float)
        error = np.sqrt(np.array([e.variance for e in self.each]) + self._training[0])
        if self.knows_training:
            covariance += self._chance[2]
        with np.errstate(divide="ignore", invalid="ignore"):
            correlation = np.nan_to_num(covariance / np.outer(error, error))
        np.fill_diagonal(correlation, 1)
        return np.asarray(correlation)

    @cached_property
    def _combination(self) -> Combination:
        """The limits of all excesses; those of fewer parts are filled up with parts that count 0 times."""
        n, k = len(self.each), max(len(e.coefficients) for e in self.each)
        coefficients, correlation = np.zeros((n, k)), np.broadcast_to(np.eye(k), (n, k, k)).copy()
        for i, e in enumerate(self.each):
            m = len(e.coefficients)
            coefficients[i, :m], correlation[i, :m, :m] = e.coefficients, e.correlation
        parts = PairedLimits.stacked([e.parts.filled(k) for e in self.each])
        return Combination(coefficients, parts.values, parts.distances, correlation, *self._training)
