"""What privacy costs: paired differences of a metric between private models and their non-private references, overall and by subgroup."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpmed_core.errors import SpecError
from dpmed_core.evaluation.metrics.measured import Measured
from dpmed_core.evaluation.metrics.metric import Metric
from dpmed_core.evaluation.metrics.paired import PairedDifference, differences_from_start, paired_differences

COMPARED_COLUMNS = ("recipe", "unit", "epsilon", "delta", "reference", "n_seeds", "n_seeds_reference")
PLACE = ("attribute", "subgroup", "finding")
NON_INFERIOR, INFERIOR, NOT_ENOUGH = "non-inferior", "inferior", "not enough evidence"
PATIENTS, PATIENTS_AND_RUNS = "patients", "patients and trainings"
"""What an interval covers."""
DEFAULT_MARGIN = 0.02
Floats = NDArray[np.float64]


def cost_columns(metric: Metric) -> list[str]:
    """The columns of `cost_rows`."""
    values = (metric.name, f"{metric.name}_reference", "difference", "difference_low", "difference_high", "p_value")
    return [*COMPARED_COLUMNS, *PLACE, *values, "margin", "verdict", "covers", "n_cases", "n_positive", "n_patients", "reason"]


def cost_rows(metric: Metric, measured: Sequence[Measured], attributes: Sequence[str], *, margin: float) -> pd.DataFrame:
    """Private minus non-private value on the same cases, one row a comparison, subgroup and finding, with `cost_columns`.

    The value and its reference are means over training runs. The interval (95 %) and the two-sided p-value are paired and clustered by
    patient, from each side's own limits (`statistics.paired_limits`); where both sides have two training runs or more they cover chance in
    training too (`covers`). verdict: "non-inferior" where the whole interval is a loss of less than the margin or a gain, "inferior" where
    the whole interval is a larger loss, else "not enough evidence", as always where a side has one training run; blank for a metric that
    has no better direction.

    Args:
        metric: which.
        measured: of that metric.
        attributes: which rows; "all" for everybody.
        margin: the loss that is still acceptable, above 0.

    Raises:
        SpecError: the margin cannot be used.
    """
    return _tables(metric, measured, paired_differences, attributes, margin)


def added_rows(metric: Metric, measured: Sequence[Measured], attributes: Sequence[str], *, margin: float) -> pd.DataFrame:
    """What private training adds to the public start alone: private minus start, on the same cases, with `cost_columns`.

    The start's value stands in the reference's column. A start alone has no chance in training. There is no verdict: the margin is of what
    privacy may cost. See `cost_rows` for arguments and errors.
    """
    return _tables(metric, measured, differences_from_start, attributes, margin).assign(verdict="")


def _tables(
    metric: Metric,
    measured: Sequence[Measured],
    pairs: Callable[[Measured], Iterator[PairedDifference]],
    attributes: Sequence[str],
    margin: float,
) -> pd.DataFrame:
    """The rows of all comparisons that `pairs` makes."""
    check_margin(margin)
    tables = [_rows(one, pair, attributes, margin) for one in measured for pair in pairs(one)]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=cost_columns(metric))


def check_margin(margin: float) -> None:
    """Refuse a margin that is no acceptable loss of any metric.

    Raises:
        SpecError: it is not above 0 and below 0.5.
    """
    if not 0 < margin < 0.5:
        raise SpecError(f"A margin of {margin:g} cannot be used: name the acceptable loss, above 0 and below 0.5.")


def _rows(measured: Measured, pair: PairedDifference, attributes: Sequence[str], margin: float) -> pd.DataFrame:
    """The rows of one comparison."""
    metric, difference = measured.metric, pair.values
    low, high = pair.limits
    verdict = non_inferiority(low, high, margin, gain=metric.gain)
    if not pair.knows_training:
        verdict[verdict != ""] = NOT_ENOUGH
    numbers = {
        metric.name: pair.private.values,
        f"{metric.name}_reference": pair.non_private.values,
        "difference": difference,
        "difference_low": low,
        "difference_high": high,
        "p_value": two_sided(pair.combination.upper_p()).reshape(difference.shape),
        "verdict": verdict,
        **measured.counts,
        "reason": pair.reasons,
    }
    rows = list(_places(measured, attributes))
    finding_index, group = np.array([(f, g) for f, g, _ in rows], dtype=np.intp).reshape(-1, 2).T
    table = pd.DataFrame({name: array[finding_index, group] for name, array in numbers.items()})
    names = pd.DataFrame([place for _, _, place in rows], columns=list(PLACE))
    covers = PATIENTS_AND_RUNS if pair.knows_training else PATIENTS
    facts = pd.DataFrame([pair.facts()] * len(rows), columns=list(COMPARED_COLUMNS))
    return pd.concat([facts, names, table], axis=1).assign(margin=margin, covers=covers)[cost_columns(metric)]


def _places(measured: Measured, attributes: Sequence[str]) -> Iterator[tuple[int, int, tuple[str, str, str]]]:
    """Finding index, index of the subgroup, and names, of each row."""
    for attribute in attributes:
        for subgroup, group in measured.groups_of(attribute).items():
            for finding_index, finding in enumerate(measured.findings):
                yield finding_index, group, (attribute, subgroup, finding)


def two_sided(upper: Floats) -> Floats:
    """Two-sided p-values of one-sided ones, which are 1/2 where nothing differs.

    >>> two_sided(np.array([0.5, 0.02, 0.98])).round(4).tolist()
    [1.0, 0.04, 0.04]
    """
    return np.asarray(2 * np.minimum(upper, 1 - upper))


def non_inferiority(low: Floats, high: Floats, margin: float, *, gain: int = 1) -> NDArray[np.object_]:
    """The verdict of each interval against the margin; blank where there is no interval, or no better direction.

    >>> non_inferiority(np.array([-0.01, -0.09, -0.05]), np.array([0.03, -0.03, 0.01]), 0.02).tolist()
    ['non-inferior', 'inferior', 'not enough evidence']

    Args:
        low: lower ends of private minus non-private.
        high: upper ends.
        margin: the loss that is still acceptable, above 0.
        gain: 1 where a rise is a gain, -1 where it is a loss, 0 where neither.
    """
    # For a metric that should be low a rise is the loss: with both ends negated and swapped the same comparison holds.
    worst, best = (low, high) if gain > 0 else (-high, -low)
    verdict = np.full(low.shape, NOT_ENOUGH, dtype=object)
    verdict[worst > -margin] = NON_INFERIOR
    verdict[best < -margin] = INFERIOR
    verdict[np.isnan(low) | (gain == 0)] = ""
    return verdict
