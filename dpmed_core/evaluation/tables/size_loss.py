"""Do small subgroups lose more? Pearson's r between a subgroup's size and what privacy costs it."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from dpmed_core.evaluation.metrics.measured import Measured
from dpmed_core.evaluation.metrics.paired import PairedDifference, paired_differences, training_variance
from dpmed_core.evaluation.statistics.intervals import CONFIDENCE
from dpmed_core.evaluation.tables.cost_of_privacy import COMPARED_COLUMNS

FEWEST_SUBGROUPS = 5
N_DRAWS = 4000
ALMOST_ONE = 0.999999
"""Correlations are kept this far from 1, where Fisher's z is infinite."""
SIZE_LOSS_COLUMNS = (*COMPARED_COLUMNS, "attribute", "finding", "pearson_r", "r_low", "r_high", "n_groups", "reason")
Floats = NDArray[np.float64]


def size_loss_rows(measured: Sequence[Measured], attributes: Sequence[str]) -> pd.DataFrame:
    """Pearson's r between a subgroup's number of test images and its loss of AUROC, one row a comparison, attribute and finding.

    The 95 % interval adds two variances on Fisher's z scale: that of r over so few subgroups, 1 / (n_groups - 3), and that of the losses
    themselves, which are estimated from patients and drawn from their covariance. Not estimable below `FEWEST_SUBGROUPS` subgroups.

    Source: Fisher 1921, Metron 1 (the z transformation and its variance).
    """
    rows = [
        {**pair.facts(), "attribute": attribute, "finding": finding, **_correlation(pair, attribute, finding_index)}
        for one in measured
        for pair in paired_differences(one)
        for attribute in attributes
        for finding_index, finding in enumerate(one.findings)
    ]
    return pd.DataFrame(rows, columns=list(SIZE_LOSS_COLUMNS))


def _correlation(pair: PairedDifference, attribute: str, finding_index: int) -> dict[str, object]:
    """r with its interval for one comparison, attribute and finding, or why there is none."""
    measured = pair.measured
    groups = [g for g in measured.known_groups(attribute) if not np.isnan(pair.values[finding_index, g])]
    nothing = {"pearson_r": np.nan, "r_low": np.nan, "r_high": np.nan, "n_groups": len(groups)}
    if len(groups) < FEWEST_SUBGROUPS:
        return {**nothing, "reason": f"fewer than {FEWEST_SUBGROUPS} subgroups are estimable"}
    sizes = measured.counts["n_cases"][finding_index, groups].astype(float)
    loss = -measured.metric.gain * pair.values[finding_index, groups]
    if np.ptp(sizes) == 0 or np.ptp(loss) == 0:
        return {**nothing, "reason": "the subgroups do not differ in size or in loss"}
    covariance = _covariance(pair, finding_index, groups)
    if np.isnan(covariance).any():
        return {**nothing, "reason": f"the error of a loss of {measured.metric.phrase} is not known"}
    r = pearson(sizes, loss[None])[0]
    # Always the same draws, so that the same scores give the same interval. By eigenvalues, since the covariance may be singular.
    drawn = np.random.default_rng(0).multivariate_normal(loss, covariance, N_DRAWS, method="eigh")
    error = np.sqrt(np.arctanh(np.clip(pearson(sizes, drawn), -ALMOST_ONE, ALMOST_ONE)).var() + 1 / (len(groups) - 3))
    reach = norm.ppf((1 + CONFIDENCE) / 2) * error
    z = np.arctanh(np.clip(r, -ALMOST_ONE, ALMOST_ONE))
    return {"pearson_r": r, "r_low": np.tanh(z - reach), "r_high": np.tanh(z + reach), "n_groups": len(groups), "reason": ""}


def _covariance(pair: PairedDifference, finding_index: int, groups: Sequence[int]) -> Floats:
    """Covariance of the losses `[n_groups, n_groups]`.

    A patient may have images in several groups; what training adds is taken to be independent between them.
    """
    influence = np.stack([pair.measured.grouping.by_patient(pair.influence[finding_index], g) for g in groups])
    arms = (arm.by_run[:, finding_index][:, groups] for arm in (pair.private, pair.non_private))
    return np.asarray(influence @ influence.T + np.diag(training_variance(*arms)[0]))


def pearson(sizes: Floats, losses: Floats) -> Floats:
    """Pearson's r of `sizes` `[n_groups]` with each row of `losses` `[n, n_groups]`; 0 for a row of equal losses.

    >>> pearson(np.array([1.0, 2.0, 3.0]), np.array([[2.0, 4.0, 6.0], [3.0, 2.0, 1.0]])).round(12).tolist()
    [1.0, -1.0]
    """
    x, y = sizes - sizes.mean(), losses - losses.mean(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.nan_to_num((y @ x) / np.sqrt(np.square(x).sum() * np.square(y).sum(axis=1))))
