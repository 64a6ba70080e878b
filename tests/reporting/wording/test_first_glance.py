"""The words of the tiles: no more than the rows say, in every state."""

import numpy as np
import pandas as pd
import pytest

from dpmed_core.reporting.wording.first_glance import NOTHING, cost_tile, finding_tile, group_tile, protected_sentence
from dpmed_core.reporting.wording.next_step import CASES, TRAIN, next_step
from dpmed_core.runs.status import RunState

NO_MORE = pd.DataFrame(columns=["thresholds", "attribute", "finding", "missed_per_100_more", "false_alarms_per_100_more"])


def cost(finding, difference, low, high, *, group=("all", "all"), p=0.001, verdict="inferior", covers="patients and trainings", reason=""):
    return {
        "attribute": group[0],
        "subgroup": group[1],
        "finding": finding,
        "auroc": 0.9 + difference,
        "auroc_reference": 0.9,
        "difference": difference,
        "difference_low": low,
        "difference_high": high,
        "p_value": p,
        "margin": 0.02,
        "verdict": verdict,
        "covers": covers,
        "n_cases": 200,
        "n_positive": 40,
        "n_patients": 90,
        "reason": reason,
    }


def missing(finding, reason, **more):
    return cost(finding, np.nan, np.nan, np.nan, p=np.nan, verdict="", reason=reason, **more)


def verdict(group, finding, said, *, excess=0.1, detectable=np.nan, reason=""):
    return {
        "attribute": "sex",
        "subgroup": group,
        "finding": finding,
        "verdict": said,
        "excess": excess,
        "detectable": detectable,
        "reason": reason,
    }


THREE = [cost("macro", -0.06, -0.08, -0.04), cost("mass", -0.02, -0.05, 0.01, p=0.2), cost("lung_left", -0.1, -0.15, -0.05, p=0.001)]
GROUPS = [cost("macro", -0.03, -0.05, -0.01, group=("sex", "female")), cost("macro", -0.09, -0.2, 0.02, group=("sex", "male"), p=0.1)]


def more(finding="macro", missed=(7.04, 2.0, 12.0), alarms=(-1.26, -3.0, 0.5), thresholds="own"):
    columns = [f"{name}_more{end}" for name in ("missed_per_100", "false_alarms_per_100") for end in ("", "_low", "_high")]
    place = {"thresholds": thresholds, "attribute": "all", "finding": finding}
    return pd.DataFrame([{**place, **dict(zip(columns, (*missed, *alarms), strict=True))}])


def test_the_cost_is_a_difference_with_its_interval_its_verdict_and_errors_per_hundred():
    tile = cost_tile(pd.DataFrame(THREE), more(), "macro")
    assert (tile.title, tile.value) == ("Cost, mean of 2 findings", "−0.060")
    assert tile.beside == "AUROC (95 % interval −0.080 to −0.040)" and tile.verdict == "loss above 0.02"
    assert tile.lines == (
        "0.900 without, 0.840 with.",
        "Per 100: +7.0 missed (2.0 to 12.0), −1.3 false alarms (−3.0 to 0.5).",
    )


@pytest.mark.parametrize(
    ("said", "shown"),
    [("non-inferior", "no loss above 0.02"), ("not enough evidence", "not enough evidence"), ("inferior", "loss above 0.02")],
)
def test_the_verdict_on_the_cost_is_that_of_its_row(said, shown):
    tile = cost_tile(pd.DataFrame([cost("mass", -0.01, -0.015, 0.0, verdict=said)]), NO_MORE, "mass")
    assert tile.verdict == shown and tile.title == "Cost, mass" and "Missed findings cannot be counted here." in tile.lines


def test_errors_are_never_taken_from_another_threshold_or_finding():
    for table in (more(thresholds="common"), more("mass"), more(missed=(np.nan,) * 3)):
        assert "Missed findings cannot be counted here." in cost_tile(pd.DataFrame(THREE), table, "macro").lines


def test_one_training_run_is_said():
    rows = pd.DataFrame([cost("mass", -0.1, -0.2, -0.05, covers="patients", verdict="not enough evidence")])
    assert "One training run: chance in training is not counted." in cost_tile(rows, NO_MORE, "mass").lines
    assert finding_tile(rows).verdict == "not enough evidence"


def test_a_cost_that_cannot_be_estimated_has_its_reason_and_no_number():
    tile = cost_tile(pd.DataFrame([missing("mass", "fewer than 5 positives")]), more("mass"), "mass")
    assert (tile.value, tile.beside, tile.verdict) == (NOTHING, "", "") and tile.lines == ("Not estimable: fewer than 5 positives.",)
    assert cost_tile(pd.DataFrame(THREE), more(), "edema").lines == ("It cannot be judged in these test patients.",)


def test_the_finding_that_loses_most_is_said_to_be_the_largest_of_several():
    tile = finding_tile(pd.DataFrame(THREE))
    assert (tile.title, tile.value, tile.beside) == ("Loses most: finding", "Lung, left", "−0.100 AUROC (−0.150 to −0.050)")
    assert tile.verdict == "loss shown" and tile.lines == ("Largest of 2.",)
    assert tile.chosen == {"finding": "lung_left"}


def test_a_loss_that_is_shown_only_alone_is_not_called_shown_and_smaller_ones_that_are_shown_are_counted():
    rows = [cost("mass", -0.2, -0.39, -0.01, p=0.04), cost("nodule", -0.1, -0.12, -0.08, p=0.0001)]
    tile = finding_tile(pd.DataFrame(rows))
    assert tile.value == "Mass" and tile.verdict == "not enough evidence" and tile.lines == ("Largest of 2; loss shown for 1 other.",)


def test_where_every_finding_gains_none_is_said_to_lose():
    tile = finding_tile(pd.DataFrame([cost("mass", 0.02, 0.01, 0.03), cost("nodule", 0.05, 0.01, 0.09)]))
    assert tile.title == "Gains least: finding" and tile.value == "Mass" and tile.verdict == "not enough evidence"
    assert tile.beside == "0.020 AUROC (0.010 to 0.030)" and tile.lines == ("Smallest of 2.",)


def test_one_finding_is_not_the_largest_of_anything():
    assert finding_tile(pd.DataFrame([cost("macro", -0.1, -0.2, 0), cost("mass", -0.1, -0.2, 0)])).lines == ("The only finding.",)
    one = finding_tile(pd.DataFrame([cost("mass", -0.1, -0.2, 0), missing("nodule", "only one class")]))
    assert one.title == "The finding" and one.lines == ("The only finding that these patients can judge.",)


def test_without_an_estimable_finding_none_is_named():
    several = finding_tile(pd.DataFrame([missing("mass", "only one class"), missing("nodule", "only one class")]))
    assert several.value == NOTHING and several.lines == ("No finding can be judged in these test patients.",)
    assert finding_tile(pd.DataFrame([missing("mass", "only one class")])).lines == ("Not estimable: only one class.",)


def test_the_group_that_loses_most_has_the_verdict_on_its_extra_loss():
    judged = [
        verdict("male", "mass", "not enough evidence", detectable=0.2),
        verdict("male", "nodule", "not enough evidence", detectable=0.31),
    ]
    tile = group_tile(pd.DataFrame(THREE + GROUPS), pd.DataFrame(judged), "macro")
    assert (tile.title, tile.value, tile.beside) == ("Loses most: group", "Male", "−0.090 AUROC (−0.200 to 0.020)")
    assert tile.verdict == "extra loss: not enough evidence" and tile.chosen == {"attribute": "sex"}
    assert tile.lines == ("90 patients; largest of 2.",)


def test_an_extra_loss_says_in_how_many_findings_and_other_groups_with_one_are_named():
    judged = [verdict("male", "mass", "widened"), verdict("male", "nodule", "not widened"), verdict("female", "mass", "widened")]
    tile = group_tile(pd.DataFrame(THREE + GROUPS), pd.DataFrame(judged), "macro")
    assert tile.verdict == "extra loss in 1 of 2 findings" and tile.lines[-1] == "Extra loss is shown for: Female."
    of_one = group_tile(pd.DataFrame([row | {"finding": "mass"} for row in GROUPS]), pd.DataFrame(judged), "mass")
    assert of_one.verdict == "extra loss"


@pytest.mark.parametrize(
    ("rows", "said", "why"),
    [
        ([verdict("male", "mass", "not widened")], "no extra loss above 0.02", None),
        ([verdict("male", "mass", "not enough evidence")], "extra loss: not enough evidence", "Not even a fall to chance would be found."),
        (
            [verdict("male", "mass", "not enough evidence", reason="one training run")],
            "extra loss: not enough evidence",
            "One training run.",
        ),
        ([verdict("male", "mass", "not estimable", reason="only one class")], "extra loss: not estimable", "Only one class."),
    ],
)
def test_each_verdict_has_its_words_and_its_reason(rows, said, why):
    tile = group_tile(pd.DataFrame(THREE + GROUPS), pd.DataFrame(rows), "macro")
    assert tile.verdict == said and tile.lines[1:] == ((why,) if why else ())


def test_a_finding_that_was_not_planned_has_a_loss_and_no_verdict():
    of_nodule = pd.DataFrame([row | {"finding": "nodule"} for row in GROUPS])
    tile = group_tile(of_nodule, pd.DataFrame([verdict("male", "mass", "widened")]), "nodule")
    assert tile.value == "Male" and tile.verdict == "no verdict: not in the analysis plan" and len(tile.lines) == 1


def test_without_groups_none_is_named_and_it_is_said_why():
    nothing = pd.DataFrame([verdict("male", "mass", "not widened")])
    unknown = cost("macro", -0.1, -0.2, 0, group=("sex", "unknown"))
    assert group_tile(pd.DataFrame([*THREE, unknown]), nothing, "macro").lines == ("Nothing is known of these patients to group them by.",)
    few = missing("macro", "fewer than 5 positives", group=("sex", "male"))
    assert group_tile(pd.DataFrame([*THREE, few]), nothing, "macro").lines == (
        "No two groups have enough test patients for the mean over findings.",
    )
    of_one = missing("mass", "fewer than 5 positives", group=("sex", "male"))
    assert group_tile(pd.DataFrame([of_one]), nothing, "mass").lines == ("No two groups have enough test patients to compare.",)


def test_who_is_protected_is_said_with_the_whole_guarantee():
    known = pd.DataFrame(
        [
            {"epsilon": 1.0, "unit": "patient", "delta": 1e-5, "accountant": "analytic-gaussian"},
            {"epsilon": 1.0, "unit": "image", "delta": 1e-6, "accountant": "rdp"},
        ]
    )
    of_patients = protected_sentence(known, epsilon=1.0, unit="patient")
    assert "each training patient, with all images together (ε = 1 at δ = 1e-05, analytic-gaussian accountant)" in of_patients
    assert of_patients.endswith("Not protected: validation and test patients.")
    of_images = protected_sentence(known, epsilon=1.0, unit="image")
    assert "each training image; not a patient who has several (ε = 1 at δ = 1e-06, rdp accountant)" in of_images
    assert "nothing was learnt" in protected_sentence(known, epsilon=0.0, unit="patient")


@pytest.mark.parametrize(
    ("states", "costs", "page", "said"),
    [
        ([], [], TRAIN, "Plan the first models"),
        ([RunState.WITHDRAWN], [], TRAIN, "Plan the first models"),
        ([RunState.FINISHED, RunState.TRAINING], THREE, TRAIN, "1 model is still to come"),
        ([RunState.FINISHED], [], TRAIN, "with privacy and without"),
        ([RunState.FINISHED] * 2, [cost("mass", -0.1, -0.2, 0, covers="patients")], TRAIN, "twice or more"),
        ([RunState.FINISHED, RunState.FAILED], THREE, TRAIN, "1 failed"),
        ([RunState.FINISHED] * 4, THREE, CASES, "changed the answer"),
    ],
)
def test_what_to_do_next(states, costs, page, said):
    step = next_step(states, pd.DataFrame(costs))
    assert step.page == page and said in step.sentence
