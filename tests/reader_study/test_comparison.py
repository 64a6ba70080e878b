"""The tables of the analysis: what they hold, which data each row rests on, and what one reader cannot show."""

import numpy as np
import pandas as pd
import pytest

from dpmed_core.evaluation.statistics.multiplicity import holm
from dpmed_core.reader_study.multi_reader.comparison import (
    ARM_COLUMNS,
    COMPONENT_COLUMNS,
    OVERALL_COLUMNS,
    PAIR_COLUMNS,
    READER_COLUMNS,
    compare,
)
from dpmed_core.reader_study.multi_reader.obuchowski_rockette import ONE_READER, About
from dpmed_core.reader_study.multi_reader.ratings import ratings_of
from tests.reader_study.multi_reader_data import drawn_ratings, van_dyke_rows


@pytest.fixture(scope="module")
def three():
    """Three readers in three arms."""
    return compare(drawn_ratings(n_arms=3, n_cases=60))


def test_tables_have_the_documented_columns(three):
    for table, columns in (
        (three.pairs, PAIR_COLUMNS),
        (three.arms, ARM_COLUMNS),
        (three.overall, OVERALL_COLUMNS),
        (three.readers, READER_COLUMNS),
        (three.components, COMPONENT_COLUMNS),
    ):
        assert tuple(table.columns) == columns
    assert [len(table) for table in (three.pairs, three.arms, three.overall, three.readers, three.components)] == [9, 9, 3, 9, 1]
    assert set(three.pairs["about"]) == {about.value for about in About}


def test_the_published_components_of_variance_come_out_to_every_digit():
    """MRMCaov prints reader 0.0015364254 and treatment:reader 0.0002045840 with DeLong's covariances."""
    row = compare(ratings_of(van_dyke_rows())).components.iloc[0]
    assert (f"{row['reader']:.10f}", f"{row['arm_by_reader']:.10f}") == ("0.0015364254", "0.0002045840")


def test_the_difference_is_the_first_arms_mean_minus_the_seconds(three):
    means = three.readers.groupby("arm")["auroc"].mean()
    for _, row in three.pairs.iterrows():
        assert row["difference"] == pytest.approx(means[row["first"]] - means[row["second"]])
        assert row["low"] < row["difference"] < row["high"]


def test_two_arms_are_compared_without_the_ratings_in_a_third(three):
    ratings = drawn_ratings(n_arms=3, n_cases=60)
    alone = compare(ratings.of_arms(["arm 0", "arm 2"])).pairs.drop(columns="p_holm")
    among = three.pairs[(three.pairs["first"] == "arm 0") & (three.pairs["second"] == "arm 2")].drop(columns="p_holm")
    pd.testing.assert_frame_equal(alone, among.reset_index(drop=True))


def test_p_values_of_all_pairs_hold_together_for_each_statement(three):
    for _, rows in three.pairs.groupby("about"):
        np.testing.assert_allclose(rows["p_holm"], holm(rows["p_value"].to_numpy()))
        assert (rows["p_holm"] >= rows["p_value"]).all()


def test_with_two_arms_the_overall_test_is_that_of_the_pair():
    found = compare(drawn_ratings(n_arms=2, n_cases=60))
    np.testing.assert_allclose(found.overall["p_value"], found.pairs["p_value"])


def test_a_blank_freedom_is_the_normal_distributions(three):
    assert three.pairs["freedom"].isna().tolist() == (three.pairs["about"] == About.CASES).tolist()


def test_one_reader_has_rows_about_cases_and_a_reason_in_all_others():
    found = compare(drawn_ratings(n_readers=1, n_cases=60))
    for table in (found.pairs, found.arms, found.overall):
        of_cases = table["about"] == About.CASES
        assert (table.loc[of_cases, "reason"] == "").all()
        assert (table.loc[~of_cases, "reason"] == ONE_READER).all()
    assert found.components[["reader", "arm_by_reader"]].isna().all(axis=None)
    assert found.components[["cov2", "cov3"]].eq(0).all(axis=None)
    assert found.pairs["p_holm"].isna().tolist() == (found.pairs["about"] != About.CASES).tolist()


def test_too_few_cases_leave_reasons_and_no_numbers():
    ratings = drawn_ratings(n_cases=8)
    found = compare(ratings)
    assert set(found.pairs["reason"]) == {"fewer than 5 positives"} or set(found.pairs["reason"]) == {"fewer than 5 negatives"}
    assert found.pairs[["difference", "low", "high", "p_value", "p_holm"]].isna().all(axis=None)
    assert found.readers[["auroc", "low", "high"]].isna().all(axis=None)


def test_each_readers_auroc_lies_within_its_interval(three):
    assert ((three.readers["low"] < three.readers["auroc"]) & (three.readers["auroc"] < three.readers["high"])).all()
