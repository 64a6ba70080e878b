"""One row for each group and finding, with the loss that Fairness shows and the exposure of the same group."""

import pandas as pd
import pytest

from dpmed_core.privacy.exposure.exposure_removed import ExposureRemoved
from dpmed_core.privacy.exposure.who_pays import FOLLOWS, PAYS_COLUMNS, TOO_FEW, who_pays

ARM = {"recipe": "probe", "unit": "patient", "epsilon": 1.0, "delta": 1e-5, "accountant": "analytic-gaussian", "reference": "sampled alike"}
CHOICE = {"recipe": "probe", "unit": "patient", "epsilon": 1.0, "findings": ("mass", "nodule"), "reference": "sampled alike"}


def cost(attribute, subgroup, finding, difference, *, reason="", **more):
    numbers = {"difference": difference, "difference_low": difference - 0.03, "difference_high": difference + 0.01}
    return {**ARM, "attribute": attribute, "subgroup": subgroup, "finding": finding, **numbers, "margin": 0.02, "verdict": "inferior"} | {
        "reason": reason,
        **more,
    }


COSTS = pd.DataFrame(
    [
        cost("all", "all", "mass", -0.2),
        cost("all", "all", "nodule", -0.1),
        cost("all", "all", "macro", -0.15),
        cost("sex", "female", "macro", -0.12),
        cost("sex", "female", "mass", -0.4),
        cost("sex", "male", "macro", float("nan"), reason="too few"),
        cost("sex", "unknown", "macro", -0.3),
        cost("all", "all", "macro", -0.9, epsilon=8.0),
        cost("all", "all", "macro", -0.8, reference="image by image"),
    ]
)
REMOVED = [
    ExposureRemoved("all", "all"),
    ExposureRemoved("sex", "female", 40, 0.3, 0.25, 0.35),
    ExposureRemoved("sex", "male", 30, 0.2, 0.15, 0.25),
    ExposureRemoved("mass", "with", 12, 0.35, 0.3, 0.4),
    ExposureRemoved("mass", "without", 58, 0.25, 0.2, 0.3),
    ExposureRemoved("nodule", "with"),
]


def test_rows_stand_for_all_groups_and_findings_at_the_chosen_budget():
    rows = who_pays(COSTS, REMOVED, **CHOICE)
    assert list(rows.columns) == list(PAYS_COLUMNS)
    places = list(zip(rows["attribute"], rows["group"], strict=True))
    assert places == [("all", "all"), ("sex", "female"), ("sex", "male"), ("finding", "mass"), ("finding", "nodule")]
    assert rows["auroc_lost"].tolist() == pytest.approx([0.15, 0.12, float("nan"), 0.2, 0.1], nan_ok=True)
    assert rows["exposure_removed"].tolist() == pytest.approx([float("nan"), 0.3, 0.2, 0.35, float("nan")], nan_ok=True)
    assert rows["n_patients"].tolist() == [pd.NA, 40, 30, 12, pd.NA]
    assert rows["reason"].tolist() == [FOLLOWS, "", "too few", "", TOO_FEW]


def test_a_loss_is_minus_the_difference_with_its_ends_swapped():
    row = who_pays(COSTS, REMOVED, **CHOICE).iloc[1]
    assert (row["lost_low"], row["auroc_lost"], row["lost_high"]) == pytest.approx((0.11, 0.12, 0.15))
    assert row["verdict"] == "inferior" and row["margin"] == 0.02


def test_nothing_is_compared_where_nothing_was_trained():
    assert who_pays(COSTS, REMOVED, **{**CHOICE, "epsilon": 3.0}).empty
