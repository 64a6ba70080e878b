"""What may be released of a measurement: numbers about many patients, by budget and by group, with small cells withheld."""

from collections.abc import Iterator

import pandas as pd

from dpmed_core.privacy.exposure.exposure_rows import ExposureRow
from dpmed_core.privacy.exposure.group_exposure import SMALLEST_COUNT
from dpmed_core.privacy.exposure.measurement import Measurement

EVERYBODY = "all"


def aggregates(measurement: Measurement) -> pd.DataFrame:
    """One row for all patients and one for each group that is shown, at each budget; no number is about fewer than five patients.

    Of trainings from a public start the rows name it.

    Left out are the most exposed patient's numbers, counts of 1 to 4, and whatever would tell such a count as a share.
    """
    table = pd.DataFrame([line for row in measurement.rows for line in _lines(row)])
    return table if measurement.start is None else table.assign(start=measurement.start.name)


def shown_count(count: int, n: int) -> int | None:
    """A count of patients of `n`; None where it, or the rest, would be about fewer than five.

    >>> shown_count(3, 100), shown_count(0, 100), shown_count(40, 100), shown_count(98, 100)
    (None, 0, 40, None)
    """
    return None if 0 < count < SMALLEST_COUNT or 0 < n - count < SMALLEST_COUNT else count


def _lines(row: ExposureRow) -> Iterator[dict[str, object]]:
    """What may be said of one budget: of everybody, and of each group."""
    budget = {"unit": row.unit, "epsilon": row.epsilon, "delta": row.delta, "trainings": row.n_trainings, "bound_of_one_unit": row.bound}
    nearly_certain = shown_count(round(row.share_nearly_certain * row.n_patients), row.n_patients)
    yield {
        **budget,
        "attribute": EVERYBODY,
        "group": EVERYBODY,
        "n_patients": row.n_patients,
        "median_auc": row.median_auc,
        "n_at_least_0.9": nearly_certain,
        "n_flagged": shown_count(row.flagged, row.n_patients),
        "median_auc_by_chance": row.null_median_auc,
    }
    for group in row.groups:
        yield {
            **budget,
            "attribute": group.attribute,
            "group": group.group,
            "n_patients": group.n_patients,
            "mean_auc": group.mean_auc,
            "mean_low": group.low,
            "mean_high": group.high,
            "share_in_most_exposed_tenth": group.tail,
            "difference": group.difference,
            "difference_low": group.difference_low,
            "difference_high": group.difference_high,
            "verdict": group.verdict,
        }
