import numpy as np
import pytest

from dpmed_core.reader_study.reader_vs_model import PRIVATE, READER, WITHOUT, Rater, pair_table, rater_table
from dpmed_core.reporting.figures.readers import readers_figure
from dpmed_core.reporting.wording.reader_study import comparison_sentence, pairs_in_words, raters_in_words

LABELS = np.repeat([0.0, 1.0], 15)


@pytest.fixture
def tables():
    """A perfect private model, a model that guesses, and a reader who guesses too."""
    rng = np.random.default_rng(2)
    guesses = [Rater(rng.normal(size=30), rng.random(30) < 0.5) for _ in range(2)]
    raters = {READER: guesses[0], PRIVATE: Rater(LABELS + 0.01 * rng.normal(size=30), LABELS > 0), WITHOUT: guesses[1]}
    return rater_table(raters, LABELS), pair_table(raters, LABELS)


def test_the_sentence_names_every_auroc_and_only_differences_beyond_chance(tables):
    sentence = comparison_sentence(*tables, finding="mass")
    assert sentence.startswith("AUROC for mass: you 0.") and "the private model 1.00" in sentence
    assert "The private model had a higher AUROC than you" in sentence


def test_where_nothing_differs_the_sentence_says_that_the_cases_are_too_few(tables):
    raters, pairs = tables
    alike = pairs[pairs["first"].eq(READER) & pairs["second"].eq(WITHOUT)]
    assert comparison_sentence(raters, alike, finding="mass").endswith("These cases are too few to show that any two differ.")


def test_what_is_not_estimable_has_its_reason(tables):
    raters, pairs = tables
    none = raters.assign(auroc=np.nan, reason="fewer than 5 positives")
    assert comparison_sentence(none, pairs, finding="mass") == "An AUROC for mass is not estimable on these cases: fewer than 5 positives."


def test_tables_show_intervals_and_dashes(tables):
    raters, pairs = tables
    assert raters_in_words(raters)["AUROC"].str.fullmatch(r"[01]\.\d\d \([01]\.\d\d to [01]\.\d\d\)").all()
    unknown = pairs.assign(kappa=np.nan, agreement=np.nan)
    assert (pairs_in_words(unknown)["Kappa"] == "–").all() and (pairs_in_words(unknown)["Same answer"] == "–").all()


def test_the_figure_has_one_point_a_rater_and_measure_with_the_tables_values(tables):
    raters, _ = tables
    figure = readers_figure(raters, title="t", facts=["f"])
    points = [trace for trace in figure.data if trace.mode == "markers"]
    assert len(points) == 9
    found = {(trace.y[0], round(trace.x[0], 6)) for trace in points[:3]}
    assert found == {(row["rater"].capitalize(), round(row["auroc"], 6)) for _, row in raters.iterrows()}
