"""Which cases a reader gets, and in which order.

Choice and order follow from keyed hashes of the reading's random name: random to anyone without the installation's key, and the same after
every reload without being stored.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpmed_core.cohort.schema import Cohort, Part, Split
from dpmed_core.errors import CohortError
from dpmed_core.keyed_hash import keyed_digest

FEWEST_PATIENTS = 10


def cases_to_read(
    cohort: Cohort, split: Split, *, finding: str, n_cases: int, balanced: bool, reading_id: str, key: bytes
) -> NDArray[np.intp]:
    """Rows of at most `n_cases` test cases with a known label, one per patient, in the order to read them.

    One image per patient makes the answers independent, which the exact and score intervals of the comparison presume.

    Args:
        cohort: whose cases.
        split: which cases are test cases.
        finding: the finding that the reader judges.
        n_cases: how many to read.
        balanced: half with the finding and half without, as far as the cohort has them; otherwise in the cohort's proportion.
        reading_id: names the reading; another reading gets another choice and order.
        key: the installation's secret key.

    Raises:
        CohortError: fewer than `FEWEST_PATIENTS` test patients have a known label.
    """
    rows = split.rows(Part.TEST)
    table = pd.DataFrame({"row": rows, "patient": cohort.cases["patient_id"].iloc[rows].to_numpy()})
    table["label"] = cohort.labels[rows, cohort.findings.index(finding)]
    case_ids = cohort.cases["case_id"].iloc[rows]
    # Two independent orders: if the order of choice were that of reading, a balanced reading would show its cases class by class.
    table["drawn"] = [keyed_digest(key, "reading-choice", reading_id, case_id).hex() for case_id in case_ids]
    table["order"] = [keyed_digest(key, "reading-order", reading_id, case_id).hex() for case_id in case_ids]
    drawn = table.dropna(subset="label").sort_values("drawn")
    if balanced:
        drawn = drawn.sort_values(
            "label", ascending=_rarer_is_absent(drawn), kind="stable"
        )  # a patient with both labels counts to the rarer one
    drawn = drawn.drop_duplicates("patient")
    if len(drawn) < FEWEST_PATIENTS:
        raise CohortError(
            f"Only {len(drawn)} test patients have a known label for this finding, and a reading needs {FEWEST_PATIENTS}: choose another "
            "finding."
        )
    return np.asarray((_balanced(drawn, n_cases) if balanced else drawn.sort_values("drawn").head(n_cases)).sort_values("order")["row"])


def _rarer_is_absent(drawn: pd.DataFrame) -> bool:
    """Whether fewer cases are without the finding than with it."""
    return bool((drawn["label"] == 1).mean() > 0.5)


def _balanced(drawn: pd.DataFrame, n_cases: int) -> pd.DataFrame:
    """Half of each class, or all of the rarer one and more of the other; of an odd number the more frequent one has one more."""
    absent, present = (drawn[drawn["label"] == label].sort_values("drawn") for label in (0, 1))
    rarer, other = (absent, present) if len(absent) < len(present) else (present, absent)
    n_rarer = min(n_cases // 2, len(rarer))
    return pd.concat([rarer.head(n_rarer), other.head(n_cases - n_rarer)])
