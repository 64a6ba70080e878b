import numpy as np
import pytest

from dpmed_core.evaluation.tables.published_results import (
    ATTRIBUTES,
    hanley_mcneil,
    pdac_gap_table,
    pdac_reference,
    pdac_table,
    sampling_gaps,
    score_interval,
)
from dpmed_core.settings import Settings


@pytest.fixture(scope="module")
def reference():
    return pdac_reference(Settings().reference_dir)


def test_the_error_is_the_one_in_hanley_and_mcneils_paper():
    """Hanley & McNeil 1982: 51 abnormal and 58 normal CT images, area .893, standard error .032 (printed with three digits)."""
    assert np.sqrt(hanley_mcneil(np.array(0.893), 51, 58)) == pytest.approx(0.032, abs=6e-4)


def test_the_papers_table_is_reproduced_with_its_counts(reference):
    table = pdac_table(reference)
    assert len(table) == 10 * 7 and table["epsilon"].isna().sum() == 7 and "10.1038/s43856-024-00462-6" in reference.source
    at = table.set_index(["attribute", "subgroup", table["epsilon"].fillna(np.inf).rename("at")])
    assert at.loc[("all", "all", 0.29), "auroc"] == 0.8684 and at.loc[("all", "all", np.inf), "auroc"] == 0.9970
    assert at.loc[("sex", "female", 8.0), "auroc"] == 0.9813 and at.loc[("age", "oldest quarter", 1.06), "auroc"] == 0.9843
    sizes = {("sex", "male"): (95, 102), ("sex", "female"): (77, 50), ("age", "third quarter"): (54, 25)}
    for (attribute, subgroup), counts in sizes.items():
        row = at.loc[(attribute, subgroup, 0.54)]
        assert (row["n_positive"], row["n_negative"]) == counts
    assert table.groupby(["attribute", "epsilon"])["n_positive"].sum().unstack()[0.29].to_dict() == {"age": 173, "all": 172, "sex": 172}
    assert ((table["auroc_low"] < table["auroc"]) & (table["auroc"] <= table["auroc_high"])).all()


def test_gaps_are_the_printed_ones_and_judged_against_sampling(reference):
    gaps = pdac_gap_table(reference).set_index(["attribute", "epsilon"])
    assert gaps.loc[("sex", 0.29), "gap"] == pytest.approx(0.8811 - 0.8547) and gaps.loc[("sex", 0.29), "smallest"] == "female"
    assert not gaps.loc[("sex", 0.29), "exceeds_sampling"] and gaps.loc[("sex", 4.71), "exceeds_sampling"]
    assert not gaps.loc["age", "exceeds_sampling"].any()
    assert (gaps["exceeds_sampling"] == (gaps["p_value"] < 0.05)).all() and len(ATTRIBUTES["age"]) == 4


def test_drawn_gaps_have_the_spread_that_hanley_and_mcneil_give():
    drawn = sampling_gaps(np.array([0.8, 0.8]), [(80, 80), (80, 80)])
    one = float(np.sqrt(hanley_mcneil(np.array(0.8), 80, 80)))
    assert np.sqrt(np.square(drawn).mean()) == pytest.approx(np.sqrt(2) * one, rel=0.06)


def test_a_perfect_auroc_has_an_interval_too():
    low, high = score_interval(1.0, 48, 27)
    assert 0.85 < low < 0.99 and high == 1.0
