"""Which cases a reader gets, and in which order: random, the same after every reload, and told to nobody."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpmed_core.cohort.schema import Cohort, Part, Split
from dpmed_core.errors import CohortError
from dpmed_core.keyed_hash import keyed_digest

FEWEST = 10


def cases_to_read(
    cohort: Cohort, split: Split, *, finding: str, n_cases: int, balanced: bool, reading_id: str, key: bytes
) -> NDArray[np.intp]:
    """Rows of at most `n_cases` test cases whose label is known, one a patient, in the order to read them.

    Args:
        cohort: whose cases.
        split: who is held out.
        finding: what the reader is asked.
        n_cases: how many to read.
        balanced: half with the finding and half without, as far as there are; else as they come.
        reading_id: another reading gets another order and choice.
        key: the installation's secret.

    Raises:
        CohortError: there are fewer than `FEWEST` such cases.
    """
    rows = split.rows(Part.TEST)
    table = pd.DataFrame({"row": rows, "patient": cohort.cases["patient_id"].iloc[rows].to_numpy()})
    table["label"] = cohort.labels[rows, cohort.findings.index(finding)]
    case_ids = cohort.cases["case_id"].iloc[rows]
    table["drawn"] = [keyed_digest(key, "reading-choice", reading_id, case_id).hex() for case_id in case_ids]
    table["order"] = [keyed_digest(key, "reading-order", reading_id, case_id).hex() for case_id in case_ids]
    drawn = table.dropna(subset="label").sort_values("drawn")
    if balanced:
        drawn = drawn.sort_values("label", ascending=_rarer_is_absent(drawn), kind="stable")  # the rarer class keeps its patients
    drawn = drawn.drop_duplicates("patient")
    if len(drawn) < FEWEST:
        raise CohortError(f"Only {len(drawn)} test patients have a known label for this finding; a reading needs {FEWEST}: choose another.")
    return np.asarray((_balanced(drawn, n_cases) if balanced else drawn.sort_values("drawn").head(n_cases)).sort_values("order")["row"])


def _rarer_is_absent(drawn: pd.DataFrame) -> bool:
    return bool((drawn["label"] == 1).mean() > 0.5)


def _balanced(drawn: pd.DataFrame, n_cases: int) -> pd.DataFrame:
    """Half of each class, or all of the rarer one and more of the other."""
    classes = [drawn[drawn["label"] == label].sort_values("drawn") for label in (0, 1)]
    n_half = min(n_cases // 2, *map(len, classes))
    shares = [n_cases - n_half if len(one) > len(other) else n_half for one, other in (classes, classes[::-1])]
    return pd.concat([one.head(n) for one, n in zip(classes, shares, strict=True)])
