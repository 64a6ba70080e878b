"""What the noisy sums of canaries must look like if a network's steps keep their word: tests with stated error probabilities.

All sums are in units of the clipping bound. Where the steps are as claimed, the sum at a canary's coordinate in step t is s times a
standard normal number, plus at most 1 if the canary is in and was sampled, with probability q; all of these are independent.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta, binom, chi2, norm

Floats = NDArray[np.float64]
FITTED_SHARE = 1 / 3
"""Share of the canaries on which the noise of the score and the cut are chosen; the others are guessed."""


@dataclass(frozen=True)
class NoiseFound:
    """The noise of the steps against the claim.

    Attributes:
        ratio: its variance over the claimed one, over all that is noise alone.
        least_ratio: the same of the parameter that has least.
        fails: whether it is not as claimed.
    """

    ratio: float
    least_ratio: float
    fails: bool


def noise_test(squares: Floats, sizes: NDArray[np.intp], *, noise_multiplier: float, error: float) -> NoiseFound:
    """Sums of squares of noise against chi squared: of all together, of each parameter, and of each step.

    A third of `error` each. Two-sided for all together and for parameters (Bonferroni). Steps are compared with the claim by the sum of the
    squares of their deviates: noise that is right on average and changes from step to step, as with a divisor that follows the sample,
    fails.

    Args:
        squares: sums of squares, `[n_steps, n_parameters]`.
        sizes: entries of each parameter, `[n_parameters]`.
        noise_multiplier: the claimed standard deviation of an entry.
        error: probability with which noise as claimed fails.
    """
    n_steps = len(squares)
    found = squares / noise_multiplier**2
    by_parameter, of_parameter = found.sum(axis=0), n_steps * sizes
    p_parameters = 2 * np.minimum(chi2.cdf(by_parameter, of_parameter), chi2.sf(by_parameter, of_parameter)).min() * len(sizes)
    total, freedom = float(found.sum()), int(of_parameter.sum())
    p_total = 2 * min(chi2.cdf(total, freedom), chi2.sf(total, freedom))
    steps = chi2_deviates(found.sum(axis=1), int(sizes.sum()))
    p_steps = chi2.sf(np.square(steps).sum(), n_steps)
    fails = min(p_parameters, p_total, p_steps) < error / 3
    return NoiseFound(total / freedom, float((by_parameter / of_parameter).min()), bool(fails))


def chi2_deviates(sums: Floats, freedom: int) -> Floats:
    """Standard normal deviates of sums that are chi squared with `freedom` degrees of freedom.

    Source: Wilson & Hilferty 1931, PNAS 17:684. The upper twentieth of chi squared with 100 degrees begins at 124.342, one of 1.645 sd:

    >>> round(float(chi2_deviates(np.array([124.342]), 100)[0]), 3)
    1.645
    """
    spread = 2 / (9 * freedom)
    return np.asarray((np.cbrt(sums / freedom) - (1 - spread)) / np.sqrt(spread))


def shift_test(canaries: Floats, inside: NDArray[np.bool_], *, sample_rate: float, error: float) -> tuple[float, float, bool]:
    """What canaries add over a training over what is allowed (one clipping bound with probability q a step), its error, whether it is more.

    Args:
        canaries: the noisy sums, `[n_steps, n_canaries]`.
        inside: which are in, `[n_canaries]`.
        sample_rate: q.
        error: probability with which canaries that add what is allowed fail.
    """
    allowed, totals = sample_rate * len(canaries), canaries.sum(axis=0)
    added, without = totals[inside], totals[~inside]
    shift = float(added.mean() - without.mean())
    spread = float(np.sqrt(added.var(ddof=1) / len(added) + without.var(ddof=1) / len(without)))
    return shift / allowed, spread / allowed, bool(shift > allowed + norm.isf(error) * spread)


def reuse_test(outside: Floats, *, error: float) -> tuple[float, bool]:
    """The largest correlation of the noise of two steps, in size, and whether there is any: Bonferroni over all pairs of steps.

    Of two independent normal vectors of length n the squared cosine is Beta(1/2, (n - 1) / 2).

    Args:
        outside: the noisy sums of canaries that are out, `[n_steps, n]`.
        error: probability with which independent noise fails.
    """
    n_steps, n = outside.shape
    if n_steps < 2:
        return 0.0, False
    unit = outside / np.maximum(np.linalg.norm(outside, axis=1, keepdims=True), 1e-300)
    pairs = (unit @ unit.T)[np.triu_indices(n_steps, 1)]
    largest = float(pairs[np.abs(pairs).argmax()])
    return largest, bool(beta.sf(min(largest**2, 1.0), 0.5, (n - 1) / 2) * len(pairs) < error)


def scores(canaries: Floats, *, noise: float, sample_rate: float) -> Floats:
    """How much likelier each canary's sums are with it than without, in logarithms, `[n_canaries]`; the best statistic there is.

    Sum over steps of log(1 - q + q exp((2 x - 1) / (2 s^2))) (Neyman & Pearson 1933). `noise` is to be estimated: at the claimed s the
    score would be blind to steps with half of the noise.
    """
    gains = (2 * canaries - 1) / (2 * noise**2)
    return np.asarray(np.logaddexp(np.log1p(-sample_rate), np.log(sample_rate) + gains).sum(axis=0))


def guesses(scored: Floats, inside: NDArray[np.bool_]) -> tuple[int, int]:
    """How many guesses at who is in are right, of how many; the cut is the best one on the first third, and the others are guessed."""
    n = round(FITTED_SHARE * len(scored))
    order = np.argsort(scored[:n])
    right_out = np.cumsum(~inside[:n][order])  # where the cut is at the k-th score, and everything above it is guessed to be in
    right_in = inside[:n].sum() - np.cumsum(inside[:n][order])
    cut = scored[:n][order[(right_out + right_in).argmax()]]
    return int(((scored[n:] > cut) == inside[n:]).sum()), len(scored) - n


def guesses_test(right: int, of: int, *, allowed: float, error: float) -> bool:
    """Whether more guesses are right than the guarantee allows: `allowed` is the largest probability of one, 1 - min(alpha + f(alpha)) / 2.

    The binomial test; guesses are independent where canaries' coordinates are.

    >>> guesses_test(60, 100, allowed=0.5, error=0.05), guesses_test(58, 100, allowed=0.5, error=0.05)
    (True, False)
    """
    return bool(binom.sf(right - 1, of, allowed) < error)
