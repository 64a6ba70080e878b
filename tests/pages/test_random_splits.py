"""Repeated random splits: asked for on Train, shown on Privacy and utility."""

import pytest

from dpmed_core.evaluation.scores.load_scores import read_scores
from dpmed_core.evaluation.tables.over_splits import over_splits
from dpmed_core.runs.plan import plan_runs
from dpmed_core.training.spec import PrivacyUnit


@pytest.fixture
def over_three_splits(empty, cohort, finish):
    plan = {"key": empty.key, "recipe": "probe", "n_seeds": 1, "delta": None, "unit": PrivacyUnit.PATIENT}
    specs = plan_runs(cohort, epsilons=[1.0], n_splits=3, **plan)
    empty.ledger.ask(cohort, specs)
    for spec in specs:
        finish(spec, luck=3 + (spec.split_seed or 0) + (10 if spec.privacy else 0))


def test_several_splits_are_planned_and_their_spending_said_before(cohort, open_page):
    page = open_page("train")
    page.number_input[1].set_value(3).run()
    assert not page.exception
    # Three budgets and a reference, three trainings each, on three splits.
    assert any("**Plan:** 36 models" in text.value for text in page.markdown)
    assert any("With 27 new private models" in text.value for text in page.caption)


def test_the_difference_over_splits_is_shown_with_its_interval(over_three_splits, empty, cohort, open_page):
    page = open_page("privacy_utility")
    assert not page.exception and "Over random splits" in [heading.value for heading in page.header]
    shown = next(frame.value for frame in page.dataframe if "Splits" in frame.value.columns)
    computed = over_splits(lambda seed: read_scores(empty.runs, cohort, split_seed=seed), [0, 1, 2], margin=0.02)
    computed = computed[computed["finding"] != "macro"]
    assert list(shown["Splits"]) == list(computed["n_splits"])
    known = computed["reason"] == ""
    assert known.any()
    row = computed[known].iloc[0]
    words = f"{row['difference']:+.3f} ({row['difference_low']:+.3f} to {row['difference_high']:+.3f})"
    assert words in set(shown["Difference (95 % interval)"])
    said = next(text.value for text in page.caption if "Nadeau" in text.value)
    assert "δ = 1e-05 for each patient" in said and "analytic-gaussian accountant" in said.replace("\\", "").replace("\u2060", "")


def test_with_one_split_nothing_is_added(empty, cohort, asked, finish, open_page):
    for spec in asked:
        finish(spec)
    assert "Over random splits" not in [heading.value for heading in open_page("privacy_utility").header]
