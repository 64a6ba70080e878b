"""Coverage of 95 % intervals of the multi-reader analysis on simulated studies: `python -m benchmarks reader-coverage`.

Ratings after Roe & Metz 1997, Academic Radiology 4: with independent normal terms and one mean for each truth and arm,

    rating = mean + R_jt + C_kt + (TR)_ijt + (TC)_ikt + (RC)_jkt + e_ijkt

of arm i, reader j, case k and truth t. The terms of cases add up to a variance of 1, so the mean AUROC over readers is
Phi(mean / sqrt(2 (1 + Var R + Var TR))), and the means are chosen for the AUROCs in the table.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.stats import norm, t

from dpmed_core.evaluation.statistics.intervals import TAIL
from dpmed_core.reader_study.multi_reader.covariances import Estimates, Method, estimates
from dpmed_core.reader_study.multi_reader.obuchowski_rockette import About, arm_mean, difference, spread_of_differences
from dpmed_core.reader_study.multi_reader.ratings import Ratings

N_READERS, N_CASES, N_STUDIES = 4, 100, 4_000
AUROCS = (0.7, 0.85, 0.95)
RATED: tuple[tuple[float, int | None], ...] = ((0.0, None), (0.03, None), (0.0, 8))
"""What the second arm loses, and the number of categories of the ratings: as they are drawn, or as an answer with four confidences has."""


@dataclass(frozen=True)
class Structure:
    """Variances of the terms, in the order of the head of this module; readers vary little or much, cases are alike little or much."""

    reader: float
    case: float
    arm_by_reader: float
    arm_by_case: float
    reader_by_case: float
    error: float


STRUCTURES = {
    "readers alike, cases alike": Structure(0.0055, 0.3, 0.0055, 0.3, 0.2, 0.2),
    "readers alike, cases apart": Structure(0.0055, 0.1, 0.0055, 0.1, 0.2, 0.6),
    "readers apart, cases alike": Structure(0.03, 0.3, 0.03, 0.3, 0.2, 0.2),
    "readers apart, cases apart": Structure(0.03, 0.1, 0.03, 0.1, 0.2, 0.6),
}


def draw(
    rng: np.random.Generator, structure: Structure, aurocs: tuple[float, ...], *, n_categories: int | None = None, shared: float = 0.0
) -> Ratings:
    """Ratings of one study.

    Args:
        rng: random numbers.
        structure: variances.
        aurocs: mean AUROC over readers in each arm.
        n_categories: the ratings' number of values; None for as many as there are ratings.
        shared: of the terms by arm, the share of variance that the first two of three arms have in common.
    """
    n_arms, positive = len(aurocs), np.arange(N_CASES) % 2 == 0
    apart = np.sqrt(2 * (1 + structure.reader + structure.arm_by_reader))
    means = norm.ppf(aurocs)[:, None, None] * apart * positive
    truth = positive.astype(int)

    def by_arm(*shape: int) -> np.ndarray:
        own, common = rng.normal(size=(n_arms, *shape)), rng.normal(size=shape)
        mixed = np.sqrt(shared) * common + np.sqrt(1 - shared) * own[:2]
        return np.concatenate([mixed, own[2:]])

    suspicion = (
        means
        + np.sqrt(structure.reader) * rng.normal(size=(N_READERS, 2))[:, truth]
        + np.sqrt(structure.case) * rng.normal(size=N_CASES)
        + np.sqrt(structure.arm_by_reader) * by_arm(N_READERS, 2)[..., truth]
        + np.sqrt(structure.arm_by_case) * by_arm(N_CASES)[:, None, :]
        + np.sqrt(structure.reader_by_case) * rng.normal(size=(N_READERS, N_CASES))
        + np.sqrt(structure.error) * rng.normal(size=(n_arms, N_READERS, N_CASES))
    )
    if n_categories:
        # Steps of equal width over the two classes' middle, wherever the readers stand.
        edges = np.linspace(-1.5, norm.ppf(aurocs[0]) * apart + 1.5, n_categories - 1)
        suspicion = np.searchsorted(edges, suspicion).astype(float)
    names = (tuple(f"{kind}{number}" for number in range(n)) for kind, n in (("arm", n_arms), ("R", N_READERS), ("case", N_CASES)))
    return Ratings(*names, suspicion, positive)


def coverage(
    structure: Structure,
    auroc: float,
    loss: float,
    *,
    n_studies: int,
    n_categories: int | None = None,
    method: Method = "delong",
    seed: int = 0,
) -> dict[str, float]:
    """Coverage, Monte Carlo error and mean width of the interval of the difference of two arms; coverage of that of the first arm's mean,
    and of the symmetric one with the same standard error, which the product does not use.

    Args:
        structure: variances.
        auroc: of the first arm.
        loss: what the second arm's AUROC is lower.
        n_studies: how many are drawn.
        n_categories: of the ratings; the arm's mean then has no known value, and the difference is known only where `loss` is 0.
        method: of the covariances.
        seed: of all studies; rows of a table with seeds of their own do not err together.
    """
    held, held_arm, held_symmetric, widths, refused = [], [], [], [], 0
    for number in range(n_studies):
        ratings = draw(np.random.default_rng([17, seed, number]), structure, (auroc, auroc - loss), n_categories=n_categories)
        found = estimates(ratings, method)
        one, arm = difference(found, About.READERS_AND_CASES), arm_mean(found.of_arms([0]), About.READERS_AND_CASES)
        refused += bool(one.reason)
        held.append(one.low <= loss <= one.high)
        held_arm.append(arm.low <= auroc <= arm.high)
        held_symmetric.append(abs(arm.estimate - auroc) <= t.isf(TAIL, arm.freedom) * arm.std_error)
        widths.append(one.high - one.low)
    share = float(np.mean(held))
    return {
        "coverage": share,
        "error": float(np.sqrt(share * (1 - share) / n_studies)),
        "width": float(np.nanmean(widths)),
        "coverage of an arm": float(np.mean(held_arm)) if n_categories is None else np.nan,
        "symmetric": float(np.mean(held_symmetric)) if n_categories is None else np.nan,
        "refused": refused,
    }


def pooled(found: Estimates, first: int, second: int) -> tuple[float, float]:
    """The interval of a difference with the covariances of all arms pooled, which the product does not use: its peer."""
    spread = spread_of_differences(found, About.READERS_AND_CASES)
    mean = float(found.auroc[first].mean() - found.auroc[second].mean())
    reach = float(t.isf(TAIL, spread.freedom)) * np.sqrt(2 / found.auroc.shape[1] * spread.term)
    return mean - reach, mean + reach


def three_arms(structure: Structure, auroc: float, *, n_studies: int, shared: float = 0.9, seed: int = 0) -> dict[str, float]:
    """Coverage where two arms are alike, as with two similar models, and the third is not: from two arms' ratings, and pooled."""
    held: dict[str, list[bool]] = {}
    for number in range(n_studies):
        found = estimates(draw(np.random.default_rng([19, seed, number]), structure, (auroc,) * 3, shared=shared))
        for name, pair in (("alike", (0, 1)), ("unlike", (0, 2))):
            one = difference(found.of_arms(list(pair)), About.READERS_AND_CASES)
            low, high = pooled(found, *pair)
            held.setdefault(f"{name}, two arms", []).append(one.low <= 0 <= one.high)
            held.setdefault(f"{name}, pooled", []).append(low <= 0 <= high)
    return {name: float(np.mean(values)) for name, values in held.items()}


def all_rows(n_studies: int) -> Iterator[dict[str, object]]:
    """The table: coverage of a difference and of an arm, then of differences among three arms."""
    for seed, ((name, structure), auroc) in enumerate(product(STRUCTURES.items(), AUROCS)):
        for kind, (loss, n_categories) in enumerate(RATED):
            found = coverage(structure, auroc, loss, n_studies=n_studies, n_categories=n_categories, seed=len(RATED) * seed + kind)
            yield {"part": "difference", "structure": name, "auroc": auroc, "loss": loss, "categories": n_categories, **found}
    for seed, ((name, structure), auroc) in enumerate(product(STRUCTURES.items(), AUROCS)):
        yield {"part": "three arms", "structure": name, "auroc": auroc, **three_arms(structure, auroc, n_studies=n_studies, seed=seed)}


def rows(n_studies: int = N_STUDIES) -> list[dict[str, object]]:
    """The table, all of it."""
    return list(all_rows(n_studies))
