"""The table of scores that a finished run stores: held-out cases only."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpmed_core.cohort.schema import Cohort, Part, Split
from dpmed_core.training.result import SCORE_COLUMNS


def held_out_rows(split: Split) -> NDArray[np.intp]:
    """Rows of validation and test cases, in the cohort's order."""
    return np.flatnonzero((split.parts == Part.VALIDATION.value) | (split.parts == Part.TEST.value))


def scores_table(cohort: Cohort, split: Split, probabilities: NDArray[np.float64]) -> pd.DataFrame:
    """Scores with `SCORE_COLUMNS`, one row per held-out case and finding, case by case.

    Args:
        cohort: the data.
        split: says which cases are held out.
        probabilities: `[n_held_out, n_findings]`, in the order of `held_out_rows`.
    """
    # repeat and tile below give the order of `ravel()` of [n_held_out, n_findings]: case by case.
    rows = held_out_rows(split)
    n_findings = len(cohort.findings)
    held_out = cohort.cases.iloc[np.repeat(rows, n_findings)]
    table = pd.DataFrame(
        {
            "case_id": held_out["case_id"].to_numpy(),
            "patient_id": held_out["patient_id"].to_numpy(),
            "split": np.repeat(split.parts[rows], n_findings),
            "finding": np.tile(np.array(cohort.findings, dtype=object), len(rows)),
            "label": cohort.labels[rows].astype(np.float64).ravel(),
            "score": np.asarray(probabilities, dtype=np.float64).ravel(),
        }
    )
    return table[list(SCORE_COLUMNS)]
