"""Published results to compare with: the paper's PDAC results, and which statements they allow without its cases.

Only AUROCs and counts were printed, so each error is approximate (Hanley & McNeil 1982) and nothing is paired. Whether a gap between
subgroups is more than sampling alone gives is judged by drawing subgroups of the printed sizes from one binormal model whose AUROC is the
subgroups' mean, weighed by their cases.
"""

import json
import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

from dpmed_core.evaluation.statistics.intervals import CONFIDENCE

N_DRAWS = 2000
ATTRIBUTES = {
    "all": {"overall": "all"},
    "sex": {"female": "female", "male": "male"},
    "age": {
        "age_q1_youngest": "youngest quarter",
        "age_q2": "second quarter",
        "age_q3": "third quarter",
        "age_q4_oldest": "oldest quarter",
    },
}
"""Columns of the file by attribute, and what each is called."""
PDAC_COLUMNS = ("epsilon", "attribute", "subgroup", "auroc", "auroc_low", "auroc_high", "n_cases", "n_positive", "n_negative")
PDAC_GAP_COLUMNS = ("epsilon", "attribute", "gap", "largest", "smallest", "sampling_gap", "p_value", "exceeds_sampling")
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Reference:
    """Published results and their source.

    Attributes:
        aurocs: one row an epsilon, as printed.
        counts: (positives, negatives) by column.
        source: the citation.
        note: how the counts were obtained.
    """

    aurocs: pd.DataFrame
    counts: dict[str, tuple[int, int]]
    source: str
    note: str


@lru_cache(maxsize=4)
def pdac_reference(folder: Path) -> Reference:
    """The paper's PDAC results in `folder` (`Settings.reference_dir`)."""
    card = json.loads((folder / "pdac_auroc.json").read_text())
    counts = {name: (int(n["positive"]), int(n["negative"])) for name, n in card["counts"].items()}
    # The paper prints counts by sex and by age; everybody's are those of both sexes. The age groups add up to one more positive.
    counts["overall"] = (counts["male"][0] + counts["female"][0], counts["male"][1] + counts["female"][1])
    return Reference(pd.read_csv(folder / "pdac_auroc.csv"), counts, str(card["source"]), str(card["counts_note"]))


def pdac_table(reference: Reference) -> pd.DataFrame:
    """The printed AUROCs with counts and approximate 95 % intervals, with `PDAC_COLUMNS`; epsilon NaN is without privacy."""
    rows = []
    for printed in reference.aurocs.to_dict("records"):
        for attribute, columns in ATTRIBUTES.items():
            for column, subgroup in columns.items():
                m, n = reference.counts[column]
                value = float(printed[column])
                low, high = score_interval(value, m, n)
                place = {"epsilon": _epsilon(printed["epsilon"]), "attribute": attribute, "subgroup": subgroup}
                ends = {"auroc": value, "auroc_low": low, "auroc_high": high}
                rows.append({**place, **ends, "n_cases": m + n, "n_positive": m, "n_negative": n})
    return pd.DataFrame(rows, columns=list(PDAC_COLUMNS))


def pdac_gap_table(reference: Reference) -> pd.DataFrame:
    """Per epsilon and attribute, whether the printed gap is more than sampling alone gives, with `PDAC_GAP_COLUMNS`.

    gap: largest minus smallest printed AUROC. sampling_gap: the gap that equal subgroups of these sizes exceed in 5 % of draws. p_value:
    the share of draws with at least the printed gap. Approximate, for each model by itself: no statement on private against non-private,
    which were scored on the same patients. Over 20 rows, one or so falls below 0.05 by chance.
    """
    rows = []
    for printed in reference.aurocs.to_dict("records"):
        for attribute in ("sex", "age"):
            columns = ATTRIBUTES[attribute]
            values = np.array([float(printed[column]) for column in columns])
            gap, names = float(np.ptp(values)), list(columns.values())
            drawn = sampling_gaps(values, [reference.counts[column] for column in columns])
            facts = {"epsilon": _epsilon(printed["epsilon"]), "attribute": attribute, "gap": gap}
            ends = {"largest": names[int(values.argmax())], "smallest": names[int(values.argmin())]}
            # The printed gap counts as one of the draws, so that no p-value is 0; the tolerance is for rounding.
            p, bound = float((1 + (drawn >= gap - 1e-12).sum()) / (1 + len(drawn))), float(np.quantile(drawn, 0.95))
            rows.append({**facts, **ends, "sampling_gap": bound, "p_value": p, "exceeds_sampling": p < 0.05})
    return pd.DataFrame(rows, columns=list(PDAC_GAP_COLUMNS))


def hanley_mcneil(auroc: Floats, n_positive: int, n_negative: int) -> Floats:
    """Variance of an AUROC from its value and the class sizes, for exponential scores.

    >>> round(float(np.sqrt(hanley_mcneil(np.array(0.893), 51, 58))), 4)  # their example of 109 images prints 0.032
    0.0325

    Source: Hanley & McNeil 1982, Radiology 143, equation 2.
    """
    both_above, both_below = auroc / (2 - auroc), 2 * auroc**2 / (1 + auroc)
    spread = auroc * (1 - auroc) + (n_positive - 1) * (both_above - auroc**2) + (n_negative - 1) * (both_below - auroc**2)
    return np.asarray(spread / (n_positive * n_negative))


def score_interval(auroc: float, n_positive: int, n_negative: int) -> tuple[float, float]:
    """The interval of true AUROCs (to 1e-4) that are less than 1.96 Hanley-McNeil errors from `auroc`; it has a width at exactly 1 too.

    >>> [round(end, 3) for end in score_interval(1.0, 48, 27)]
    [0.956, 1.0]

    Source: Newcombe 2006, Statistics in Medicine 25, part 2, method 5.
    """
    true = np.linspace(0, 1, 10_001)
    near = np.abs(auroc - true) <= norm.ppf((1 + CONFIDENCE) / 2) * np.sqrt(hanley_mcneil(true, n_positive, n_negative))
    return float(true[near].min(initial=auroc)), float(true[near].max(initial=auroc))


def sampling_gaps(values: Floats, sizes: list[tuple[int, int]]) -> Floats:
    """Gaps `[N_DRAWS]` between subgroups of `sizes` (positives, negatives) that all have the mean of `values`, weighed by their cases."""
    common = float(np.average(values, weights=[m + n for m, n in sizes]))
    # Two normal distributions this many standard deviations apart have an AUROC of Phi(distance / sqrt(2)).
    distance = math.sqrt(2) * norm.ppf(min(common, 1 - 1e-6))
    rng = np.random.default_rng(0)
    drawn = np.stack([_drawn_aurocs(rng, distance, m, n) for m, n in sizes])
    return np.asarray(np.ptp(drawn, axis=0))


def _drawn_aurocs(rng: np.random.Generator, distance: float, n_positive: int, n_negative: int) -> Floats:
    """AUROCs `[N_DRAWS]` of so many positives and negatives whose normal scores are `distance` standard deviations apart."""
    scores = rng.standard_normal((N_DRAWS, n_positive + n_negative))
    scores[:, :n_positive] += distance
    # The Mann-Whitney statistic from the positives' rank sum, draw by draw.
    ranks = rankdata(scores, axis=1)[:, :n_positive].sum(axis=1)
    return np.asarray((ranks - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative))


def _epsilon(printed: object) -> float:
    """Printed epsilon; NaN for inf, as elsewhere where there is no privacy."""
    value = float(str(printed))
    return value if math.isfinite(value) else math.nan
