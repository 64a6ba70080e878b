"""Sentences on several readers: the numbers of the tables, no more than they show, and foreign names as text."""

import numpy as np
import pytest

from dpmed_core.reader_study.multi_reader.comparison import compare
from dpmed_core.reader_study.multi_reader.ratings import ARMS, Ratings, ratings_of
from dpmed_core.reporting.wording.multi_reader import arms_in_words, comparison_sentences, pairs_in_words
from tests.foreign_strings import foreign_strings
from tests.reader_study.multi_reader_data import drawn_ratings, van_dyke_rows


def named(ratings: Ratings, arms: tuple[str, ...]) -> Ratings:
    return Ratings(arms, ratings.readers, ratings.cases, ratings.values, ratings.positive)


def better_first(gain: float, n_arms: int = 2, n_readers: int = 6) -> Ratings:
    """The first arm ranks positives `gain` steps higher than the others do."""
    drawn = drawn_ratings(n_arms=n_arms, n_readers=n_readers, n_cases=200)
    values = drawn.values.copy()
    values[0] += gain * drawn.positive
    return Ratings(drawn.arms, drawn.readers, drawn.cases, values, drawn.positive)


def test_the_published_study_in_a_sentence():
    assert comparison_sentences(compare(ratings_of(van_dyke_rows()))) == [
        "For readers and cases like these, the mean AUROC in arm “cine” is 0.044 lower than in arm “se” (95 % interval of the difference "
        "−0.088 to 0.000; 5 readers, 114 cases, 45 of them with the finding). This study does not show that they differ, nor that they are "
        "equal."
    ]


def test_own_arms_are_named_in_words_and_help_has_its_sign():
    found = comparison_sentences(compare(named(better_first(3, n_arms=3), ARMS)))
    assert len(found) == 3
    assert found[0].startswith("For readers and cases like these, the mean AUROC with the private model is 0.")
    assert "higher than with the model without privacy" in found[0] and found[0].endswith("That is more than chance.")
    assert "with the private model is 0." in found[1] and "higher than without a model" in found[1]
    assert "with the model without privacy" in found[2] and found[2].endswith("nor that they are equal.")


def test_what_only_holds_alone_is_not_said_of_all_comparisons_together():
    found = compare(named(better_first(3, n_arms=3), ARMS))
    found.pairs.loc[0, ["p_value", "p_holm"]] = 0.03, 0.09
    said = comparison_sentences(found)[0]
    assert said.endswith("Alone that would be more than chance; among the 3 comparisons together it is not shown.")


def test_one_reader_is_not_spoken_of_as_readers():
    first, second = comparison_sentences(compare(better_first(1, n_readers=1)))
    assert first == "One reader shows nothing about other readers: what follows is about this reader on other cases."
    assert second.startswith("For this reader on cases like these, the AUROC in arm “arm 0” is 0.")
    assert "1 reader, 200 cases, 100 of them" in second


def test_what_is_not_estimable_has_its_reason():
    few, whole = compare(drawn_ratings(n_cases=8)), drawn_ratings()
    assert "not estimable, fewer than 5" in comparison_sentences(few)[0]
    perfect = np.broadcast_to(whole.positive * 1.0, whole.values.shape)
    same = compare(Ratings(whole.arms, whole.readers, whole.cases, perfect, whole.positive))
    said = comparison_sentences(same)[0]
    assert "is as high as in arm “arm 1”; whether that is chance is not estimable, because the AUROCs vary too little" in said


def test_tables_for_people_hold_the_same_numbers():
    found = compare(ratings_of(van_dyke_rows()))
    pairs, arms = pairs_in_words(found), arms_in_words(found)
    assert pairs[["First", "Second"]].to_numpy().tolist() == [["cine", "se"]] * 3
    assert pairs["95 % interval"].tolist() == ["−0.088 to 0.000", "−0.080 to −0.007", "−0.085 to −0.003"]
    assert arms["Mean AUROC"].tolist() == ["0.897", "0.941"] * 3
    own = arms_in_words(compare(named(drawn_ratings(n_arms=3), ARMS)))
    assert own["Arm"].tolist()[:3] == ["Private model", "Model without privacy", "No model"]
    one = pairs_in_words(compare(drawn_ratings(n_readers=1)))
    assert (one["95 % interval"] == "–").tolist() == [True, False, True]


@pytest.mark.parametrize("name", foreign_strings(60))
def test_foreign_names_of_arms_stay_in_one_line_of_bounded_length(name):
    for sentence in comparison_sentences(compare(named(drawn_ratings(), (name, "other")))):
        assert sentence.isprintable() or "\u200d" in sentence
        assert len(sentence) < 500
