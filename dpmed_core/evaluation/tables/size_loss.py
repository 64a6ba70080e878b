"""Do small subgroups lose more? Pearson's r between a subgroup's size and what privacy costs it."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from dpmed_core.cohort.groups import UNKNOWN
from dpmed_core.evaluation.statistics.arms import Comparison, comparisons, training_variance
from dpmed_core.evaluation.statistics.auroc_panel import Measured, measure
from dpmed_core.evaluation.statistics.intervals import CONFIDENCE
from dpmed_core.evaluation.tables.cost_of_privacy import COMPARED_COLUMNS

FEWEST_SUBGROUPS = 5
N_DRAWS = 4000
SIZE_LOSS_COLUMNS = (*COMPARED_COLUMNS, "attribute", "finding", "pearson_r", "r_low", "r_high", "n_groups", "reason")
Floats = NDArray[np.float64]


def size_loss_table(scored: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Pearson's r between subgroup size and loss, with `SIZE_LOSS_COLUMNS`; see `size_loss_rows`."""
    return size_loss_rows(measure(scored, by), by)


def size_loss_rows(measured: Sequence[Measured], attributes: Sequence[str]) -> pd.DataFrame:
    """Pearson's r between a subgroup's number of test images and its loss of AUROC, one row a comparison, attribute and finding.

    The interval adds two errors on Fisher's z scale: that of r over so few subgroups, 1 / (n_groups - 3), and that of the losses
    themselves, which are measured on patients (drawn from their covariance). Not estimable below `FEWEST_SUBGROUPS` subgroups.
    """
    rows = [
        {**comparison.facts(), "attribute": attribute, "finding": name, **_correlation(m, comparison, attribute, finding)}
        for m in measured
        for comparison in comparisons(m)
        for attribute in attributes
        for finding, name in enumerate(m.findings)
    ]
    return pd.DataFrame(rows, columns=list(SIZE_LOSS_COLUMNS))


def _correlation(measured: Measured, comparison: Comparison, attribute: str, finding: int) -> dict[str, object]:
    known = [number for name, number in measured.groups_of(attribute).items() if name != UNKNOWN]
    groups = [g for g in known if not measured.reasons[finding, g]]
    nothing = {"pearson_r": np.nan, "r_low": np.nan, "r_high": np.nan, "n_groups": len(groups)}
    if len(groups) < FEWEST_SUBGROUPS:
        return {**nothing, "reason": f"fewer than {FEWEST_SUBGROUPS} subgroups are estimable"}
    sizes = measured.n_cases[finding, groups].astype(float)
    loss = (comparison.auroc_reference - comparison.auroc)[finding, groups]
    if np.ptp(sizes) == 0 or np.ptp(loss) == 0:
        return {**nothing, "reason": "the subgroups do not differ in size or in loss"}
    r = pearson(sizes, loss[None])[0]
    drawn = np.random.default_rng(0).multivariate_normal(loss, _covariance(measured, comparison, finding, groups), N_DRAWS, method="eigh")
    error = np.sqrt(np.arctanh(np.clip(pearson(sizes, drawn), -0.999999, 0.999999)).var() + 1 / (len(groups) - 3))
    reach = norm.ppf((1 + CONFIDENCE) / 2) * error
    z = np.arctanh(np.clip(r, -0.999999, 0.999999))
    return {"pearson_r": r, "r_low": np.tanh(z - reach), "r_high": np.tanh(z + reach), "n_groups": len(groups), "reason": ""}


def _covariance(measured: Measured, comparison: Comparison, finding: int, groups: Sequence[int]) -> Floats:
    influence = np.stack([measured.grouping.by_patient(comparison.influence[finding], g) for g in groups])
    arms = (measured.values[arm.runs, finding][:, groups] for arm in (comparison.private, comparison.twin))
    return np.asarray(influence @ influence.T + np.diag(training_variance(*arms)[0]))


def pearson(sizes: Floats, losses: Floats) -> Floats:
    """Pearson's r of `sizes` `[n_groups]` with each row of `losses` `[n, n_groups]`."""
    x, y = sizes - sizes.mean(), losses - losses.mean(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.nan_to_num((y @ x) / np.sqrt(np.square(x).sum() * np.square(y).sum(axis=1))))
