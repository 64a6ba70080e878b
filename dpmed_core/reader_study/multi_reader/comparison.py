"""The tables of a multi-reader multi-case analysis.

Every table has `about`, which says what its statement holds for: "readers and cases" for others like both, "cases" for these readers on
other cases, "readers" for other readers on these cases. Where `reason` is not blank, what is missing is not estimable for that reason.
"""

from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import pandas as pd

from dpmed_core.evaluation.statistics.intervals import mann_whitney_interval
from dpmed_core.evaluation.statistics.multiplicity import holm
from dpmed_core.reader_study.multi_reader.covariances import Estimates, Method, estimates
from dpmed_core.reader_study.multi_reader.obuchowski_rockette import About, arm_mean, components, difference, mean_squares, overall
from dpmed_core.reader_study.multi_reader.ratings import Ratings

PAIR_COLUMNS = (
    "about",
    "first",
    "second",
    "difference",
    "low",
    "high",
    "std_error",
    "freedom",
    "p_value",
    "p_holm",
    "n_readers",
    "n_cases",
    "n_positive",
    "reason",
)
"""Mean AUROC of `first` minus that of `second` with its 95 % interval, from the ratings in these two arms alone; `freedom` is blank for
the normal distribution; `p_holm` holds for all pairs of the table together."""
ARM_COLUMNS = ("about", "arm", "auroc", "low", "high", "std_error", "freedom", "n_readers", "n_cases", "n_positive", "reason")
"""Mean AUROC over readers with its 95 % interval, made on the logit scale, from the ratings in that arm alone."""
OVERALL_COLUMNS = ("about", "statistic", "numerator_freedom", "freedom", "p_value", "reason")
"""The test that all arms have one AUROC: F, or chi-squared over its degrees of freedom where `freedom` is blank."""
READER_COLUMNS = ("reader", "arm", "auroc", "low", "high", "n_cases", "n_positive", "reason")
"""AUROC of each reader in each arm, with the score interval of Newcombe 2006: this reader on other cases."""
COMPONENT_COLUMNS = ("variance", "cov1", "cov2", "cov3", "reader", "arm_by_reader")
"""Of all arms: error variance and covariances over cases, and the variances between readers and of readers by arm; the last two may be
below 0 by chance, and are missing for one reader."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """The analysis of a study.

    Attributes:
        pairs: one row a statement and pair of arms, with `PAIR_COLUMNS`.
        arms: one row a statement and arm, with `ARM_COLUMNS`.
        overall: one row a statement, with `OVERALL_COLUMNS`.
        readers: one row a reader and arm, with `READER_COLUMNS`.
        components: one row, with `COMPONENT_COLUMNS`.
        method: how covariances over cases were estimated.
    """

    pairs: pd.DataFrame = field(repr=False)
    arms: pd.DataFrame = field(repr=False)
    overall: pd.DataFrame = field(repr=False)
    readers: pd.DataFrame = field(repr=False)
    components: pd.DataFrame = field(repr=False)
    method: Method


def compare(ratings: Ratings, method: Method = "delong") -> Comparison:
    """The arms compared, for readers and cases in general, for these readers, and for these cases.

    Two arms are compared by their own ratings: the model pools the covariances of all arms as if every two arms were equally alike, which
    readers aided by two similar models and unaided readers are not.

    Args:
        ratings: complete.
        method: how covariances over cases are estimated; "delong" as in DeLong's test, slightly too large on average; "unbiased".
    """
    found = estimates(ratings, method)
    counts = {"n_readers": len(ratings.readers), "n_cases": len(ratings.cases), "n_positive": int(ratings.positive.sum())}
    pairs, arms, tests = [], [], []
    for about in About:
        rows = []
        for first, second in combinations(range(len(ratings.arms)), 2):
            inference = difference(found.of_arms([first, second]), about)._asdict()
            names = {"about": about.value, "first": ratings.arms[first], "second": ratings.arms[second]}
            rows.append({**names, **inference, "difference": inference["estimate"], **counts})
        adjusted = holm(np.array([row["p_value"] for row in rows], dtype=np.float64))
        pairs += [{**row, "p_holm": p} for row, p in zip(rows, adjusted, strict=True)]
        for index, arm in enumerate(ratings.arms):
            inference = arm_mean(found.of_arms([index]), about)._asdict()
            arms.append({"about": about.value, "arm": arm, **inference, "auroc": inference["estimate"], **counts})
        tests.append({"about": about.value, **overall(found, about)._asdict()})
    return Comparison(
        pairs=_table(pairs, PAIR_COLUMNS),
        arms=_table(arms, ARM_COLUMNS),
        overall=_table(tests, OVERALL_COLUMNS),
        readers=_of_readers(ratings, found),
        components=_components(found),
        method=method,
    )


def _table(rows: list[dict[str, object]], columns: tuple[str, ...]) -> pd.DataFrame:
    """The rows; infinite degrees of freedom, those of the normal distribution, become blank."""
    table = pd.DataFrame(rows)[list(columns)]
    return table.assign(freedom=table["freedom"].where(np.isfinite(table["freedom"].to_numpy(dtype=np.float64))))


def _of_readers(ratings: Ratings, found: Estimates) -> pd.DataFrame:
    n_positive, n_cases = int(ratings.positive.sum()), len(ratings.cases)
    rows = []
    for j, reader in enumerate(ratings.readers):
        for i, arm in enumerate(ratings.arms):
            auroc = float(found.auroc[i, j])
            ends = (np.nan, np.nan) if found.reason else mann_whitney_interval(auroc, n_positive, n_cases - n_positive)
            rows.append((reader, arm, auroc, *ends, n_cases, n_positive, found.reason))
    return pd.DataFrame(rows, columns=list(READER_COLUMNS))


def _components(found: Estimates) -> pd.DataFrame:
    """The components of variance of all arms together (Hillis 2014, Statistics in Medicine 33)."""
    parts, squares, n_arms = components(found), mean_squares(found.auroc), len(found.auroc)
    reader = (squares.readers - squares.interaction) / n_arms - parts.cov1 + parts.cov3
    by_arm = squares.interaction - parts.variance + parts.cov1 + max(parts.cov2 - parts.cov3, 0.0)
    return pd.DataFrame([(*parts, reader, by_arm)], columns=list(COMPONENT_COLUMNS))
