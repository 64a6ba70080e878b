"""What privacy costs: paired differences of AUROC between private models and their twins, for everybody and each subgroup."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t

from dpmed_core.errors import SpecError
from dpmed_core.evaluation.scores.grouping import EVERYBODY
from dpmed_core.evaluation.statistics.arms import Comparison, comparisons, training_variance
from dpmed_core.evaluation.statistics.auroc_panel import Measured, measure
from dpmed_core.evaluation.statistics.intervals import added, symmetric

COMPARED_COLUMNS = ("recipe", "unit", "epsilon", "delta", "reference", "n_seeds", "n_seeds_reference")
COST_COLUMNS = (
    *COMPARED_COLUMNS,
    "attribute",
    "subgroup",
    "finding",
    "auroc",
    "auroc_reference",
    "difference",
    "difference_low",
    "difference_high",
    "p_value",
    "margin",
    "verdict",
    "covers",
    "n_cases",
    "n_positive",
    "n_patients",
    "reason",
)
NON_INFERIOR, INFERIOR, NOT_ENOUGH = "non-inferior", "inferior", "not enough evidence"
PATIENTS, PATIENTS_AND_TRAININGS = "patients", "patients and trainings"
DEFAULT_MARGIN = 0.02
Floats = NDArray[np.float64]


def cost_table(scored: pd.DataFrame, by: Sequence[str] = (), *, margin: float = DEFAULT_MARGIN) -> pd.DataFrame:
    """Private minus non-private AUROC on the same cases, with `COST_COLUMNS`; see `cost_rows`."""
    return cost_rows(measure(scored, by), (EVERYBODY, *by), margin=margin)


def cost_rows(measured: Sequence[Measured], attributes: Sequence[str], *, margin: float) -> pd.DataFrame:
    """Private minus non-private AUROC on the same cases, one row a comparison, subgroup and finding, with `COST_COLUMNS`.

    auroc and auroc_reference are means over trainings. The interval (95 %) and the two-sided p-value are paired and clustered by patient;
    where both sides were trained twice or more they cover chance in training too (`covers`). verdict: "non-inferior" where the lower end
    is above -margin, "inferior" where the upper end is below it, else "not enough evidence".

    Args:
        measured: `measured.measure`.
        attributes: which rows; "all" for everybody.
        margin: the loss of AUROC that is still acceptable, above 0.

    Raises:
        SpecError: the margin cannot be used.
    """
    check_margin(margin)
    tables = [_rows(m, comparison, attributes, margin) for m in measured for comparison in comparisons(m)]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(COST_COLUMNS))


def check_margin(margin: float) -> None:
    """Refuse a margin that is not a loss of AUROC.

    Raises:
        SpecError: it is not above 0 and below 0.5.
    """
    if not 0 < margin < 0.5:
        raise SpecError(f"A margin of {margin:g} cannot be used: name the acceptable loss of AUROC, above 0 and below 0.5.")


def cost_variance(measured: Measured, comparison: Comparison) -> tuple[Floats, Floats]:
    """Variance `[n_findings, n_groups]` of a comparison's differences, and its degrees of freedom."""
    patients, patients_freedom = measured.variance_of(comparison.influence)
    trainings, freedom = training_variance(measured.values[comparison.private.runs], measured.values[comparison.twin.runs])
    return added(patients, patients_freedom, trainings, freedom)


def _rows(measured: Measured, comparison: Comparison, attributes: Sequence[str], margin: float) -> pd.DataFrame:
    variance, freedom = cost_variance(measured, comparison)
    difference = comparison.auroc - comparison.auroc_reference
    low, high = symmetric(difference, variance, freedom)
    numbers = {
        "auroc": comparison.auroc,
        "auroc_reference": comparison.auroc_reference,
        "difference": difference,
        "difference_low": low,
        "difference_high": high,
        "p_value": two_sided(difference, variance, freedom),
        "verdict": non_inferiority(low, high, margin),
        "n_cases": measured.n_cases,
        "n_positive": measured.n_positive,
        "n_patients": measured.n_patients,
        "reason": measured.reasons,
    }
    rows = list(_places(measured, attributes))
    finding, group = np.array([(f, g) for f, g, _ in rows], dtype=np.intp).reshape(-1, 2).T
    table = pd.DataFrame({name: array[finding, group] for name, array in numbers.items()})
    names = pd.DataFrame([place for _, _, place in rows], columns=["attribute", "subgroup", "finding"])
    covers = PATIENTS_AND_TRAININGS if comparison.knows_training else PATIENTS
    facts = pd.DataFrame([comparison.facts()] * len(rows), columns=list(COMPARED_COLUMNS))
    return pd.concat([facts, names, table], axis=1).assign(margin=margin, covers=covers)[list(COST_COLUMNS)]


def _places(measured: Measured, attributes: Sequence[str]) -> Iterator[tuple[int, int, tuple[str, str, str]]]:
    for attribute in attributes:
        for subgroup, group in measured.groups_of(attribute).items():
            for finding, name in enumerate(measured.findings):
                yield finding, group, (attribute, subgroup, name)


def two_sided(value: Floats, variance: Floats, freedom: Floats) -> Floats:
    """p-values of a difference of 0; 1 where nothing differs at all."""
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.abs(value) / np.sqrt(variance)
    p = 2 * t.sf(statistic, np.maximum(freedom, 1))
    return np.asarray(np.where((value == 0) & (variance == 0), 1.0, p))


def non_inferiority(low: Floats, high: Floats, margin: float) -> NDArray[np.object_]:
    """The verdict of each interval against -margin; blank where there is no interval."""
    verdict = np.full(low.shape, NOT_ENOUGH, dtype=object)
    verdict[low > -margin] = NON_INFERIOR
    verdict[high < -margin] = INFERIOR
    verdict[np.isnan(low)] = ""
    return verdict
