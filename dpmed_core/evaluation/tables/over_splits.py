"""The cost of privacy over repeated random splits of the patients, for cohorts whose one test part is too small to tell.

Each split is a spend of its own on overlapping patients. Runs of different splits are never mixed elsewhere: one split's test patients are
another's training patients.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pandas as pd

from dpmed_core.cohort.schema import Part
from dpmed_core.cohort.split import SHARES
from dpmed_core.evaluation.metrics.auroc import AUROC
from dpmed_core.evaluation.metrics.measured import measure
from dpmed_core.evaluation.metrics.paired import differences_from_start, paired_differences
from dpmed_core.evaluation.scores.arms import SAMPLED_ALIKE, START_ALONE
from dpmed_core.evaluation.scores.load_scores import Scores
from dpmed_core.evaluation.scores.panel_design import PanelDesign
from dpmed_core.evaluation.statistics.resampled import FEWEST_SPLITS, corrected_resampled
from dpmed_core.evaluation.tables.cost_of_privacy import check_margin, non_inferiority

TEST_TO_TRAIN = dict(SHARES)[Part.TEST] / dict(SHARES)[Part.TRAIN]
"""Test patients over training patients of a random split."""
ARM = ["recipe", "unit", "epsilon", "delta", "finding", "reference"]
VALUES = ("auroc", "auroc_reference", "difference", "difference_low", "difference_high")
SPLIT_COLUMNS = (*ARM, "n_splits", *VALUES, "margin", "verdict", "reason")


def over_splits(read: Callable[[int], Scores], seeds: Sequence[int], *, margin: float) -> pd.DataFrame:
    """Private minus non-private AUROC of everybody, mean over splits, one row an arm and finding, with `SPLIT_COLUMNS`.

    Of heads that begin at a public start, also private minus the start alone, whose rows have the reference `START_ALONE`.

    The interval (95 %) is the corrected resampled t interval of the splits' differences, each of which is the mean over the split's
    trainings; verdict is that of `cost_of_privacy`. A split in which the finding is not estimable is left out, and n_splits counts the
    others.

    Args:
        read: gives the scores of the runs on a split.
        seeds: the splits; an arm that was trained on fewer than two has no row.
        margin: the loss that is still acceptable, above 0.

    Raises:
        SpecError: the margin cannot be used.
    """
    check_margin(margin)
    found = [{**row, "split": seed} for seed in seeds for row in _of_split(read(seed))] if len(seeds) > 1 else []
    if not found:
        return pd.DataFrame(columns=list(SPLIT_COLUMNS))
    groups = [(key, group) for key, group in pd.DataFrame(found).groupby(ARM, sort=False) if group["split"].nunique() > 1]
    rows = [dict(zip(ARM, key, strict=True)) | _mean(group, margin) for key, group in groups]
    return pd.DataFrame(rows, columns=list(SPLIT_COLUMNS))


def _of_split(scores: Scores) -> Iterator[dict[str, object]]:
    """Each comparison's difference in one split."""
    for panel in scores.test:
        measured = measure(AUROC, PanelDesign(panel))
        for pair in (*paired_differences(measured), *differences_from_start(measured)):
            if pair.reference in (SAMPLED_ALIKE, START_ALONE):
                for index, finding in enumerate(panel.findings):
                    value, reference = float(pair.private.values[index, 0]), float(pair.non_private.values[index, 0])
                    about = {name: fact for name, fact in pair.facts().items() if name in ARM}
                    yield {**about, "finding": finding, "auroc": value, "auroc_reference": reference}


def _mean(group: pd.DataFrame, margin: float) -> dict[str, object]:
    """The mean over splits of one arm and finding."""
    known = group.dropna(subset=["auroc", "auroc_reference"])
    about: dict[str, object] = {"n_splits": len(known), "margin": margin, "verdict": "", "reason": ""}
    if len(known) < FEWEST_SPLITS:
        return {**about, "reason": f"estimable in fewer than {FEWEST_SPLITS} splits"}
    found = corrected_resampled(known["auroc"] - known["auroc_reference"], test_to_train=TEST_TO_TRAIN)
    # The margin is of what privacy may cost, not of what private training should add to a start.
    is_cost = group["reference"].iloc[0] != START_ALONE
    verdict = str(non_inferiority(np.array([found.low]), np.array([found.high]), margin)[0]) if is_cost else ""
    means = {name: float(known[name].mean()) for name in ("auroc", "auroc_reference")}
    return {**about, **means, "difference": found.mean, "difference_low": found.low, "difference_high": found.high, "verdict": verdict}
