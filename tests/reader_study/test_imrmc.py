"""The file for iMRMC, read back by the rules of its manual and its reader; names that would be more than names."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from dpmed_core.reader_study.multi_reader.imrmc import case_names, imrmc_text
from dpmed_core.reader_study.multi_reader.ratings import Ratings, ratings_of
from tests.foreign_strings import foreign_strings
from tests.reader_study.multi_reader_data import drawn_ratings, van_dyke_rows


def parsed(text: str) -> tuple[dict[str, int], dict[str, int], dict[tuple[str, str, str], float]]:
    """Sizes, truth by case and ratings by reader, case and arm, as the program reads them; what it refuses is an error here."""
    lines = text.splitlines()
    begin = lines.index("BEGIN DATA:")
    sizes = {line[:2]: int(line[3:]) for line in lines[:begin] if line[:3] in {"NR:", "N0:", "N1:", "NM:"}}
    # The program looks for its keywords anywhere in a line, in capitals or not.
    assert sum(word in line.upper() for line in lines[:begin] for word in ("NR:", "N0:", "N1:", "NM:")) == 4
    truth, scores = {}, {}
    for line in lines[begin + 1 :]:
        reader, case, arm, value = ("".join(field.split()) for field in line.split(","))
        assert f"{reader},{case},{arm},{value}" == line, "spaces would be removed"
        if reader == "-1":
            assert case not in truth
            truth[case] = int(value)
        else:
            assert (reader, case, arm) not in scores
            scores[reader, case, arm] = float(value)
    assert {case for _, case, _ in scores} == set(truth)
    assert set(truth.values()) <= {0, 1}
    found = (len({reader for reader, _, _ in scores}), sum(truth.values()), len({arm for _, _, arm in scores}))
    assert (sizes["NR"], sizes["N1"], sizes["NM"]) == found
    assert sizes["N0"] == len(truth) - sizes["N1"]
    return sizes, truth, scores


def test_the_published_study_comes_back_whole():
    ratings = ratings_of(van_dyke_rows())
    sizes, truth, scores = parsed(imrmc_text(ratings))
    assert sizes == {"NR": 5, "N0": 69, "N1": 45, "NM": 2}
    assert len(scores) == 1140
    of_reader_3 = [[scores["reader-3", case, "se"] for case, has in truth.items() if has == wanted] for wanted in (0, 1)]
    labels = np.repeat([0, 1], [69, 45])
    assert roc_auc_score(labels, np.concatenate(of_reader_3)) == pytest.approx(0.9217391, abs=5e-8)


@pytest.mark.parametrize("key", [None, bytes(32)])
def test_ratings_keep_every_digit_and_cases_their_truth_but_no_name(key):
    drawn = drawn_ratings(n_arms=3)
    ratings = Ratings(drawn.arms, drawn.readers, tuple(f"patient-{n}" for n in range(40)), drawn.values / 3, drawn.positive)
    text = imrmc_text(ratings, key=key)
    _, truth, scores = parsed(text)
    assert "patient" not in text
    named = case_names(ratings.cases, key=key)
    assert named["case"].tolist() == list(ratings.cases)
    np.testing.assert_array_equal([truth[name] for name in named["exported"]], ratings.positive)
    for (i, j, k), value in np.ndenumerate(ratings.values):
        assert scores[f"reader{j}", named["exported"][k], f"arm{i}"] == value


def test_keyed_names_are_the_same_in_every_export_and_others_under_another_key():
    cases = ("a", "b")
    assert case_names(cases, key=b"1" * 32).equals(case_names(cases, key=b"1" * 32))
    assert not set(case_names(cases, key=b"1" * 32)["exported"]) & set(case_names(cases, key=b"2" * 32)["exported"])


HOSTILE = (
    "=1+1",
    "+x",
    "-1",
    "@sum",
    "truth",
    "a\nBEGIN DATA:",
    "a,b,c",
    "NR: 9",
    "\u202eabc",
    "",
    "a\tb",
    "ab",
    "ab-12",
    *foreign_strings(120),
)


def test_foreign_names_of_readers_and_arms_stay_names_that_no_program_reads_more_into():
    drawn = drawn_ratings(n_arms=2, n_readers=len(HOSTILE))
    text = imrmc_text(Ratings(HOSTILE[:2], HOSTILE, drawn.cases, drawn.values, drawn.positive))
    _, _, scores = parsed(text)
    assert text.isascii()
    names = {name for reader, _, arm in scores for name in (reader, arm)}
    assert all(name[0].isalpha() and name.lower() != "truth" for name in names)
    assert len({reader for reader, _, _ in scores}) == len(HOSTILE)
