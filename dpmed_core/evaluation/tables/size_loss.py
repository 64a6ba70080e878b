"""Do small subgroups lose more? Pearson's r between a subgroup's size and what privacy costs it."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpmed_core.evaluation.metrics.measured import Measured
from dpmed_core.evaluation.metrics.paired import PairedDifference, paired_differences, training_variance
from dpmed_core.evaluation.statistics.correlation import pearson, pearson_interval
from dpmed_core.evaluation.tables.cost_of_privacy import COMPARED_COLUMNS, PATIENTS, PATIENTS_AND_RUNS

FEWEST_SUBGROUPS = 5
SIZE_LOSS_COLUMNS = (*COMPARED_COLUMNS, "attribute", "finding", "pearson_r", "r_low", "r_high", "n_groups", "covers", "reason")
Floats = NDArray[np.float64]


def size_loss_rows(measured: Sequence[Measured], attributes: Sequence[str]) -> pd.DataFrame:
    """Pearson's r between a subgroup's number of test images and its loss of AUROC, one row a comparison, attribute and finding.

    The estimand is r over exactly these subgroups and their true losses. The 95 % interval is of measurement error alone: of the losses,
    over patients and, where `covers` says so, training runs (`statistics.correlation`). Not estimable below `FEWEST_SUBGROUPS` subgroups.
    """
    rows = [
        {
            **pair.facts(),
            "attribute": attribute,
            "finding": finding,
            "covers": PATIENTS_AND_RUNS if pair.knows_training else PATIENTS,
            **_correlation(pair, attribute, finding_index),
        }
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
    low, high = pearson_interval(sizes, loss, covariance)
    return {"pearson_r": float(pearson(sizes, loss[None])[0]), "r_low": low, "r_high": high, "n_groups": len(groups), "reason": ""}


def _covariance(pair: PairedDifference, finding_index: int, groups: Sequence[int]) -> Floats:
    """Covariance of the losses `[n_groups, n_groups]`.

    A patient may have images in several groups; what training adds is taken to be independent between them.
    """
    influence = np.stack([pair.measured.grouping.by_patient(pair.influence[finding_index], g) for g in groups])
    arms = (arm.by_run[:, finding_index][:, groups] for arm in (pair.private, pair.non_private))
    return np.asarray(influence @ influence.T + np.diag(training_variance(*arms)[0]))
