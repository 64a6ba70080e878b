import itertools

import pandas as pd
import pytest

from dpmed_core.evaluation.metrics.auroc import AUROC
from dpmed_core.reporting.wording.fairness import fairness_sentence, verdict_sentence
from dpmed_core.reporting.wording.fairness_headline import verdict_headline

CHOSEN = {"recipe": "probe", "unit": "patient", "finding": "effusion", "epsilon": 1.0}
OF_AUROC = {**CHOSEN, "metric": AUROC}


def cost(subgroup, auroc, reference, *, attribute="sex", low=-0.05, high=0.01, reason="", n=(100, 20, 60)):
    counts = dict(zip(("n_cases", "n_positive", "n_patients"), n, strict=True))
    place = {"attribute": attribute, "subgroup": subgroup, "reference": "sampled alike", "reason": reason}
    ends = {"difference": auroc - reference, "difference_low": low, "difference_high": high}
    return {**CHOSEN, **place, "auroc": auroc, "auroc_reference": reference, **ends, **counts}


@pytest.fixture
def costs():
    nothing = float("nan")
    return pd.DataFrame(
        [
            cost("all", 0.80, 0.83, attribute="all", n=(1310, 220, 700)),
            cost("female", 0.78, 0.82, low=-0.09, high=0.01),
            cost("male", 0.84, 0.83, low=-0.02, high=0.04, n=(1200, 200, 640)),
            cost("unknown", nothing, nothing, reason="only one class", n=(10, 0, 4)),
        ]
    )


def test_the_sentence_can_be_quoted_alone(costs):
    sentence = fairness_sentence(costs, attribute="sex", **OF_AUROC)
    assert sentence == (
        "At ε = 1, AUROC for effusion is 0.800 with privacy and 0.830 without "
        "(1,310 test images of 700 patients, 220 positive). "
        "By sex, the loss is 0.040 (95 % interval −0.010 to 0.090) in the group “female” and −0.010, a gain (−0.040 to 0.020) in the "
        "group “male”."
    )


def test_an_extreme_of_several_groups_is_said_to_be_picked(costs):
    five = pd.concat([costs, pd.DataFrame([cost(name, 0.8, 0.81) for name in ("other", "b", "c")])])
    sentence = fairness_sentence(five, attribute="sex", **OF_AUROC)
    assert "the largest loss of 5 groups, picked after looking, is 0.040 (95 % interval −0.010 to 0.090) in the group “female”" in sentence
    assert "the smallest is −0.010, a gain (−0.040 to 0.020) in the group “male”" in sentence


def test_one_group_or_no_reference_or_too_few_cases_are_stated(costs):
    alone = costs[costs["subgroup"] != "male"]
    assert "fewer than two groups have enough patients" in fairness_sentence(alone, attribute="sex", **OF_AUROC)
    assert "no model without privacy" in fairness_sentence(costs.iloc[:0], attribute="sex", **OF_AUROC)
    too_few = costs.assign(reason="fewer than 5 positives", difference=float("nan"))
    assert "Effusion cannot be judged" in fairness_sentence(too_few, attribute="sex", **OF_AUROC)


def verdict(subgroup, name, *, excess=0.03, low=-0.01, within=False, detectable=0.08, reason="", finding="effusion"):
    about = {"attribute": "sex", "subgroup": subgroup, "finding": finding, "margin": 0.02, "verdict": name, "reason": reason}
    return {**about, "excess": excess, "excess_low": low, "within_margin": within, "detectable": detectable}


def test_each_verdict_is_stated_with_its_numbers():
    rows = pd.DataFrame(
        [
            verdict("female", "widened", excess=0.051, low=0.012),
            verdict("male", "not widened"),
            verdict("other", "not enough evidence", detectable=0.21),
            verdict("intersex", "not estimable", reason="only one class", detectable=float("nan")),
        ]
    )
    sentence = verdict_sentence(rows, attribute="sex", finding="effusion")
    for needed in (
        "4 groups compared with the others by sex",
        "Shown to lose more through privacy than the others: Female by 0.051, at least 0.012.",
        "1 shown not to lose 0.02 more than the others",
        "1 of 3 could not be decided: with these patients and training runs an extra loss must be 0.21 of AUROC",
        "1 cannot be estimated",
    ):
        assert needed in sentence


def test_over_all_findings_the_finding_is_named_and_a_widening_within_the_margin_is_stated():
    rows = pd.DataFrame([verdict("female", "widened", low=0.001, within=True), verdict("female", "not widened", finding="mass")])
    sentence = verdict_sentence(rows, attribute="sex", finding="macro")
    assert "Female (effusion) by 0.030, at least 0.001, within the margin" in sentence and "2 comparisons" in sentence


def test_nothing_shown_is_not_called_fair():
    sentence = verdict_sentence(pd.DataFrame([verdict("female", "not enough evidence")]), attribute="sex", finding="effusion")
    assert "1 of 1 could not be decided" in sentence and "None is shown" not in sentence and "fair" not in sentence


def test_none_is_shown_stands_only_beside_how_many_could_not_be_decided():
    rows = pd.DataFrame([verdict("female", "not widened"), verdict("male", "not enough evidence", detectable=float("nan"))])
    sentence = verdict_sentence(rows, attribute="sex", finding="effusion")
    assert "None is shown to lose more" in sentence and "1 of 2 could not be decided" in sentence
    assert "not even a fall to chance would be found" in sentence


def test_groups_outside_the_analysis_plan_have_no_verdict():
    assert "not in the analysis plan" in verdict_sentence(pd.DataFrame([verdict("female", "widened")]), attribute="age", finding="effusion")


def test_groups_that_cannot_be_judged_are_not_reported_as_unharmed():
    rows = pd.DataFrame([verdict(name, "not estimable", reason="only one class", detectable=float("nan")) for name in ("female", "male")])
    sentence = verdict_sentence(rows, attribute="sex", finding="effusion")
    assert sentence == "2 groups compared with the others by sex: none can be judged in these test patients (only one class)."


JUDGED = ("widened", "not widened", "not enough evidence", "not estimable")


def headline(*names, finding="effusion", **about):
    rows = pd.DataFrame([verdict(f"g{place}", name, low=0.0136, finding="effusion", **about) for place, name in enumerate(names)])
    return verdict_headline(rows, attribute="sex", finding=finding, epsilon=1.0)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["widened", "not widened"], "At ε = 1, privacy costs “g0” (by at least 0.013) more AUROC than the others."),
        (["widened"] * 3 + ["not estimable"], "At ε = 1, privacy costs 3 of 3 groups by sex more AUROC than the others."),
        (["not widened", "not widened"], "At ε = 1, no group by sex loses 0.02 of AUROC more than the others."),
        (
            ["not widened", "not enough evidence", "not estimable"],
            "At ε = 1, no group by sex is shown to lose more than the others; for 1 of 2 groups there is not enough evidence.",
        ),
        (
            ["not enough evidence", "not enough evidence", "not estimable"],
            "At ε = 1, there is not enough evidence by sex to tell whether privacy costs some patients more than others.",
        ),
        (
            ["not estimable"],
            "At ε = 1, it cannot be judged, by sex, whether privacy costs some patients more than others: too few test patients.",
        ),
    ],
)
def test_the_headline_is_the_verdict_in_few_words(names, said):
    assert headline(*names) == said and len(said.split()) <= 26


def test_the_headline_over_all_findings_names_the_finding_and_no_plan_is_no_verdict():
    assert headline("widened", "not widened", finding="macro") == (
        "At ε = 1, privacy costs “g0” (effusion, by at least 0.013) more AUROC than the others."
    )
    none = verdict_headline(pd.DataFrame([verdict("female", "widened")]), attribute="age", finding="effusion", epsilon=1.0)
    assert none == "Age is not in the analysis plan: there is no verdict on these groups."


def test_no_headline_says_that_no_group_loses_more_unless_all_are_decided():
    """Whatever mixture of verdicts: a loss is named, and nothing is called safe while something is undecided."""
    for names in itertools.product(JUDGED, repeat=3):
        said = headline(*names)
        assert ("privacy costs “" in said or "privacy costs 3" in said) == ("widened" in names)
        decided = set(names) - {"not estimable"}
        assert ("loses 0.02" in said) == (decided == {"not widened"})


def test_no_verdict_is_not_said_to_be_for_want_of_a_plan():
    """Where nothing was compared at all, or only the finding is not planned, the groups may well stand in the plan."""
    rows = pd.DataFrame([verdict("female", "widened")])
    about = {"attribute": "sex", "epsilon": 1.0}
    nothing = verdict_headline(rows.iloc[:0], finding="effusion", **about)
    assert nothing.startswith("At ε = 1, there is no verdict: ") and "not in the analysis plan" not in nothing
    other = verdict_headline(rows, finding="mass", **about)
    assert other == "Mass is not in the analysis plan: there is no verdict on it."
    assert verdict_sentence(rows, attribute="sex", finding="mass") == other
