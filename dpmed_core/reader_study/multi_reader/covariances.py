"""AUROC of every reader in every arm, and the covariances of these AUROCs that come from the cases.

With m positive and n negative cases, each of another patient, and d_k the influence value of case k on an AUROC
(`evaluation.statistics.auroc`, where each patient has one image),

    DeLong      sum over k of d_k d'_k,
    jackknife   (N - 1) / N times the sum over k of the products of what the AUROCs lose without case k,   N = m + n,
    unbiased    A A' - U,   U = the mean over pairs of positives i != i' and of negatives j != j' of psi_ij psi'_i'j',

where psi_ij is 1 where positive i is rated above negative j, 1/2 where they are tied and 0 otherwise, A its mean over all pairs and psi'
that of the other AUROC. U estimates the product of the two true AUROCs without bias, since no case is in both of its factors.

Source: DeLong, DeLong & Clarke-Pearson 1988, Biometrics 44; Gallas 2006, Academic Radiology 13 (unbiased); Efron & Stein 1981, Annals of
Statistics 9 (jackknife).
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpmed_core.evaluation.scores.design import Design
from dpmed_core.evaluation.scores.grouping import group_cases
from dpmed_core.evaluation.statistics.auroc import auroc_by_group
from dpmed_core.reader_study.multi_reader.ratings import Ratings

Method = Literal["delong", "unbiased", "jackknife"]
METHODS: tuple[Method, ...] = ("delong", "unbiased", "jackknife")
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Estimates:
    """AUROCs of readers in arms with their covariances over cases.

    Attributes:
        auroc: `[n_arms, n_readers]`.
        covariance: of the AUROCs, over samples of cases `[n_arms, n_readers, n_arms, n_readers]`.
        reason: why they are not estimable; empty where they are.
    """

    auroc: Floats = field(repr=False)
    covariance: Floats = field(repr=False)
    reason: str

    def of_arms(self, arms: list[int]) -> "Estimates":
        """Those of some of the arms, by index."""
        return Estimates(self.auroc[arms], self.covariance[arms][:, :, arms], self.reason)


def estimates(ratings: Ratings, method: Method = "delong") -> Estimates:
    """AUROC of each reader in each arm, with covariances by `method`.

    >>> rng = np.random.default_rng(0)
    >>> positive = np.repeat([True, False], 20)
    >>> values = rng.normal(size=(2, 3, 40)) + positive
    >>> ratings = Ratings(("a", "b"), ("1", "2", "3"), tuple(map(str, range(40))), values, positive)
    >>> from sklearn.metrics import roc_auc_score
    >>> bool(np.isclose(estimates(ratings).auroc[1, 2], roc_auc_score(positive, values[1, 2])))
    True
    """
    n = len(ratings.positive)
    design = Design.of(ratings.positive.astype(float), group_cases(pd.DataFrame(index=range(n)), (), np.arange(n), n_patients=n))
    shape = ratings.values.shape[:2]
    if reason := design.counts.reasons()[0]:
        return Estimates(np.full(shape, np.nan), np.full((*shape, *shape), np.nan), reason)
    pairs = [auroc_by_group(values, design) for values in ratings.values.reshape(-1, n)]
    auroc, influence = np.array([value[0] for value, _ in pairs]), np.stack([of_case for _, of_case in pairs])
    if method == "delong":
        covariance = influence @ influence.T
    elif method == "jackknife":
        lost = influence * _jackknife_factor(ratings.positive)
        covariance = lost @ lost.T
    else:
        covariance = np.outer(auroc, auroc) - _product_without_shared_cases(ratings)
    return Estimates(auroc.reshape(shape), covariance.reshape(*shape, *shape), "")


def _jackknife_factor(positive: NDArray[np.bool_]) -> Floats:
    """What makes DeLong's influence value of each case the jackknife's over all cases together.

    Without its factor sqrt((m - 1) / m) the influence value is what the AUROC loses without the case.
    """
    m, n = int(positive.sum()), int((~positive).sum())
    of_class = np.where(positive, m, n)
    return np.asarray(np.sqrt(of_class / (of_class - 1) * (m + n - 1) / (m + n)))


def _product_without_shared_cases(ratings: Ratings) -> Floats:
    """U of the head of this module, of each pair of AUROCs."""
    values = ratings.values.reshape(-1, len(ratings.positive))
    positives, negatives = values[:, ratings.positive], values[:, ~ratings.positive]
    m, n = positives.shape[1], negatives.shape[1]
    same_pair, of_positive, of_negative = np.zeros((len(values), len(values))), np.zeros_like(positives), np.zeros_like(negatives)
    # One positive at a time: all pairs of a large study at once would not fit into memory.
    for i in range(m):
        psi = (positives[:, [i]] > negatives) + 0.5 * (positives[:, [i]] == negatives)
        same_pair += psi @ psi.T
        of_positive[:, i] = psi.sum(axis=1)
        of_negative += psi
    total = of_positive.sum(axis=1)
    # Of all products take out those that share a positive and those that share a negative; those that share both were taken out twice.
    disjoint = np.outer(total, total) - of_positive @ of_positive.T - of_negative @ of_negative.T + same_pair
    return np.asarray(disjoint / (m * (m - 1) * n * (n - 1)))
