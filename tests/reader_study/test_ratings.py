"""Which tables of ratings are taken, in which order, and what is refused without naming a case."""

import numpy as np
import pandas as pd
import pytest

from dpmed_core.errors import DpmedError
from dpmed_core.reader_study.multi_reader.ratings import ARMS, ratings_of, read_ratings
from tests.reader_study.multi_reader_data import van_dyke_rows

SECRET = "patient-4711"


@pytest.fixture
def rows() -> pd.DataFrame:
    """Two readers, three cases and two arms; each rating says where it belongs."""
    return pd.DataFrame(
        [
            {"reader": f"R{r}", "case": f"{SECRET}-{c}", "arm": arm, "truth": int(c == 2), "rating": 100 * a + 10 * r + c}
            for a, arm in enumerate(("unaided", "private"))
            for r in range(2)
            for c in range(3)
        ]
    )


def test_every_rating_stands_where_its_reader_case_and_arm_are_whatever_the_order_of_rows(rows):
    for seed in range(3):
        found = ratings_of(rows.sample(frac=1, random_state=seed))
        assert found.arms == ("private", "unaided")
        for (i, j, k), value in np.ndenumerate(found.values):
            arm = ("unaided", "private").index(found.arms[i])
            assert value == 100 * arm + 10 * int(found.readers[j][1:]) + int(found.cases[k][-1])
        assert [case[-1] for case, positive in zip(found.cases, found.positive, strict=True) if positive] == ["2"]


def test_own_arms_are_compared_first_with_the_private_model_and_other_arms_as_they_come(rows):
    more = pd.concat([rows.head(6).assign(arm=arm) for arm in ("unaided", "without privacy", "private")])
    assert ratings_of(more).arms == ARMS
    assert ratings_of(van_dyke_rows()).arms == ("cine", "se")


def test_an_answer_becomes_its_confidence_with_its_sign(rows):
    answers = rows.drop(columns="rating").assign(present=[1, 0] * 6, confidence=[1, 4, 3, 2] * 3)
    assert sorted(set(ratings_of(answers).values.ravel())) == [-4, -2, 1, 3]


def spoilt(rows: pd.DataFrame, column: str, value: object) -> pd.DataFrame:
    changed = rows.astype(object)
    changed.loc[4, column] = value
    return changed


REFUSED = {
    "a blank reader": (lambda rows: spoilt(rows, "reader", " "), "Row 6: column reader is blank"),
    "a missing case": (lambda rows: spoilt(rows, "case", None), "Row 6: column case is blank"),
    "a word as rating": (lambda rows: spoilt(rows, "rating", "high"), "Row 6: rating is not a number"),
    "an infinite rating": (lambda rows: spoilt(rows, "rating", "inf"), "Row 6: rating is not a number"),
    "a truth of 2": (lambda rows: spoilt(rows, "truth", 2), "Row 6: truth is neither 1 nor 0"),
    "two truths of a case": (lambda rows: spoilt(rows, "truth", 1), "Row 6: truth differs from the same case's in an earlier row"),
    "a rating given twice": (lambda rows: pd.concat([rows, rows.head(2)]), "Row 14 and 1 more: the same reader, case and arm"),
    "a missing rating": (lambda rows: rows.drop(index=3), "1 rating is missing: 2 readers, 3 cases and 2 arms need 12"),
    "one arm": (lambda rows: rows.head(6), "The table has 1 arm, and a comparison needs two"),
    "a missing column": (lambda rows: rows.drop(columns=["arm", "rating"]), "no column arm, rating"),
    "no confidence": (lambda rows: rows.drop(columns="rating").assign(present=1, confidence=0), "Row 2 and 11 more: confidence is not"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_table_is_refused_with_the_row_and_without_the_case(rows, what):
    change, message = REFUSED[what]
    with pytest.raises(DpmedError) as refused:
        ratings_of(change(rows))
    assert message in str(refused.value)
    assert SECRET not in str(refused.value)


def test_a_file_is_read_as_people_save_it(rows, tmp_path):
    path = tmp_path / "ratings.csv"
    path.write_text(rows.to_csv(index=False).replace(",", ", "), encoding="utf-8-sig")
    np.testing.assert_array_equal(read_ratings(path).values, ratings_of(rows).values)


def test_rows_of_other_lengths_than_the_heading_are_refused(rows, tmp_path):
    path = tmp_path / "ratings.csv"
    lines = rows.to_csv(index=False).splitlines()
    for changed, message in ((",", "more cells than the heading"), ("", "Row 3: rating is not a number")):
        cut = [lines[1] + changed, lines[2] + changed if changed else lines[2].rpartition(",")[0]]
        path.write_text("\n".join([lines[0], *cut, *[line + changed for line in lines[3:]]]))
        with pytest.raises(DpmedError, match=message):
            read_ratings(path)


def test_more_ratings_than_can_be_held_are_refused_before_they_are(rows, monkeypatch):
    monkeypatch.setattr("dpmed_core.reader_study.multi_reader.ratings.MOST_RATINGS", 11)
    with pytest.raises(DpmedError, match="more than 11 ratings"):
        ratings_of(rows)


@pytest.mark.parametrize("content", [b"", b"reader,case,arm,truth,rating\n", b"\xff\xfe\x00", None])
def test_a_file_that_is_no_table_is_refused_in_a_sentence(tmp_path, content):
    path = tmp_path / "ratings.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DpmedError, match="The table"):
        read_ratings(path)
