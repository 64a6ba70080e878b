"""Sentences about one case, and the spread of its scores."""

import numpy as np
import pandas as pd
import pytest

from dpmed_core.evaluation.cases.case_answers import answers_of_case
from dpmed_core.evaluation.cases.case_spread import deviation_interval, spread_of
from dpmed_core.evaluation.cases.worklist import ABSENT, PRESENT, UNKNOWN
from dpmed_core.reporting.wording.cases import NO_THRESHOLD, case_headline, case_sentence, case_spread, spread_sentence


def trainings(private, reference, finding="effusion"):
    """One row per training run: whether it calls the case positive, at a threshold of 0.5 for all."""
    said = [(1.0, positive) for positive in private] + [(np.nan, positive) for positive in reference]
    positive = np.array([float(p) for _, p in said])
    facts = {"finding": finding, "epsilon": [e for e, _ in said], "positive": positive, "score": 0.4 + 0.2 * positive}
    return pd.DataFrame({**facts, "threshold": np.where(np.isnan(positive), np.nan, 0.5), "seed": range(len(said)), "repeats": False})


@pytest.mark.parametrize(
    ("private", "reference", "truth", "said"),
    [
        ([0, 0, 1], [1], PRESENT, "Privacy would have changed this answer: missed at ε = 1, found without privacy."),
        ([1, 1], [0], ABSENT, "Privacy would have changed this answer: a false alarm at ε = 1, rightly negative without privacy."),
        ([1, 0], [1], UNKNOWN, "Privacy may have changed this answer: models split evenly at ε = 1, positive without privacy."),
        ([0], [0, 0], PRESENT, "Privacy would not have changed this answer: missed, with it and without."),
        ([1], [], PRESENT, ""),
        ([], [1], PRESENT, ""),
    ],
)
def test_the_headline_says_whether_privacy_changed_the_answer(private, reference, truth, said):
    assert case_headline(trainings(private, reference), finding="effusion", truth=truth, epsilon=1.0) == said


def test_a_minority_is_not_joined_by_all():
    said = case_sentence(trainings([1, 0, 0], [1, 1, 1]), finding="effusion", truth=ABSENT, epsilon=1.0)
    assert "one of three models would have raised" in said and "; without privacy all three would. " in said


@pytest.mark.parametrize(
    ("private", "reference", "truth", "said"),
    [
        ([0, 0, 0, 1, 1], [1] * 5, PRESENT, "three of five models would have missed this effusion; without privacy none would."),
        ([0] * 5, [0] * 5, PRESENT, "all five models would have missed this effusion; without privacy all five would too."),
        ([0, 0], [0, 1], PRESENT, "both models would have missed this effusion; without privacy one of two would."),
        ([1] * 3, [1, 1], PRESENT, "none of three models would have missed this effusion; without privacy none of two would."),
        ([1] * 3, [0, 0], PRESENT, "none of three models would have missed this effusion; without privacy both would."),
        ([0], [1], PRESENT, "the one model would have missed this effusion; without privacy the one model would not."),
        ([1], [1], PRESENT, "the one model would not have missed this effusion; without privacy the one model would not either."),
        ([1, 1, 0], [0, 0, 0], ABSENT, "two of three models would have raised a false alarm of effusion; without privacy none would."),
        (
            [1] * 13 + [0],
            [1],
            UNKNOWN,
            "13 of 14 models would have called effusion present; without privacy the one model would too.",
        ),
        (
            [0, 1],
            [],
            PRESENT,
            "one of two models would have missed this effusion. No model without privacy has been trained for comparison.",
        ),
    ],
)
def test_a_sentence_counts_the_models(private, reference, truth, said):
    sentence = case_sentence(trainings(private, reference), finding="effusion", truth=truth, epsilon=1.0)
    same = " At one threshold for all (0.50): the same." if reference else ""
    assert sentence == f"At ε = 1, {said}{same}"


def test_what_each_models_own_threshold_does_is_told_apart_from_the_score():
    """Equal scores: privacy changes nothing at one threshold, though the private models miss the case at theirs."""
    rows = trainings([0, 0, 1], [1]).assign(score=0.4, threshold=[0.5, 0.6, 0.3, 0.35])
    assert case_sentence(rows, finding="effusion", truth=PRESENT, epsilon=1.0) == (
        "At ε = 1, two of three models would have missed this effusion; without privacy the one model would not. "
        "At one threshold for all (0.35), none of three models would; without privacy the one model "
        "would not either."
    )


def test_repetitions_that_score_alike_are_one_model():
    rows = trainings([0, 1, 1], [1, 1, 1]).assign(repeats=[False, False, False, False, True, True])
    said = case_sentence(rows, finding="effusion", truth=PRESENT, epsilon=1.0)
    assert said.startswith("At ε = 1, one of three models would have missed this effusion; without privacy the one model would not.")
    table = answers_of_case(rows, pd.Series({"effusion": 1.0}), 1.0).iloc[0]
    assert (table["n_trainings"], table["n_trainings_without"], table["n_positive_without"]) == (3, 1, 1)


def test_the_side_precedes_the_finding():
    rows = trainings([0, 0], [1, 1], finding="pleural_effusion_right")
    assert "missed this right-sided pleural effusion;" in case_sentence(rows, finding="pleural_effusion_right", truth=PRESENT, epsilon=1.0)


def test_missing_models_and_thresholds_are_reported():
    alone = trainings([], [0, 1])
    assert case_sentence(alone, finding="effusion", truth=PRESENT, epsilon=None) == (
        "Without privacy, one of two models would have missed this effusion."
    )
    assert case_sentence(trainings([np.nan, 1], [1, 1]), finding="effusion", truth=PRESENT, epsilon=1.0) == NO_THRESHOLD
    assert case_sentence(alone[:0], finding="effusion", truth=PRESENT, epsilon=None).startswith("No model has scored this case")
    other_budget = trainings([1, 1], [1, 1]).assign(epsilon=lambda t: t["epsilon"] * 8)
    assert case_sentence(other_budget, finding="effusion", truth=PRESENT, epsilon=8.0).startswith("At ε = 8, none of two")


def test_the_variance_of_the_noise_is_the_difference_of_the_variances():
    private, non_private = np.array([0.1, 0.5, 0.9]), np.array([0.4, 0.5, 0.6])
    spread = spread_of(private, non_private)
    assert spread.noise == pytest.approx(np.sqrt(np.var(private, ddof=1) - np.var(non_private, ddof=1)))
    assert not spread.noise_only
    assert np.isnan(spread_of(non_private, private).noise)
    assert "cannot be told" in spread_sentence(spread_of(non_private, private)) and "0.000" not in spread_sentence(
        spread_of(non_private, private)
    )
    assert spread_of(private, np.full(3, 0.7)).noise == pytest.approx(np.std(private, ddof=1))
    assert spread_of(private, np.full(3, 0.7)).noise_only
    assert np.isnan(spread_of(private, non_private[:1]).noise) and np.isnan(spread_of(private[:1], non_private).private)


def test_no_score_between_0_and_1_has_a_standard_deviation_above_one_half():
    spread = spread_of(np.array([0.1, 0.6]), np.array([0.2, 0.3]))
    assert spread.private_high == 0.5 and "to 0.500" in spread_sentence(spread)


def test_the_noise_is_recovered_from_simulated_training_runs():
    rng = np.random.default_rng(0)
    rest, noise = 0.03, 0.05
    found = [
        spread_of(0.5 + rng.normal(0, rest, 60) + rng.normal(0, noise, 60), 0.5 + rng.normal(0, rest, 60)).noise ** 2 for _ in range(200)
    ]
    assert np.mean(found) == pytest.approx(noise**2, rel=0.05)


def test_the_interval_of_a_standard_deviation_has_its_coverage():
    rng = np.random.default_rng(1)
    held = [low <= 2 <= high for low, high in (deviation_interval(float(rng.normal(0, 2, 5).std(ddof=1)), 5) for _ in range(2000))]
    assert np.mean(held) == pytest.approx(0.95, abs=0.015)


def test_the_spread_in_words():
    rows = trainings([0, 1, 1], [1, 1, 1]).assign(score=[0.2, 0.3, 0.4, 0.6, 0.6, 0.6])
    said = spread_sentence(case_spread(rows, finding="effusion", epsilon=1.0))
    assert "standard deviation of 0.100" in said and "All of it" not in said
    assert "Without privacy, three trainings gave this case the same score" in said and "its noise, and the sampling" in said
    rows["score"] = [0.2, 0.3, 0.4, 0.6, 0.61, 0.62]
    said = spread_sentence(case_spread(rows, finding="effusion", epsilon=1.0))
    assert "initial weights" in said and "about 0.099" in said
    assert "can be estimated only with two or more models" in spread_sentence(case_spread(rows[:4], finding="effusion", epsilon=1.0))
    assert "One private model" in spread_sentence(case_spread(rows[2:], finding="effusion", epsilon=1.0))
