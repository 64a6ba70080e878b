"""Subgroups by sex, age and co-morbidities."""

import numpy as np
import pandas as pd
import pytest

from dpmed_core.cohort.display_names import attribute_title, subgroup_title
from dpmed_core.cohort.groups import subgroups
from dpmed_core.errors import CohortError

CASES = pd.DataFrame(
    {
        "age": [0, 29.9, 30, 59, 60, 69, 70, 79, 80, 100, 101, np.nan],
        "sex": ["female", "male"] * 5 + ["other", "unknown"],
        "copd": [0.0, 1.0] * 5 + [np.nan, 1.0],
    }
)


def test_age_bands_are_the_published_ones():
    assert subgroups(CASES, "age").tolist() == (["0-29"] * 2 + ["30-59"] * 2 + ["60-69"] * 2 + ["70-79"] * 2 + ["80+"] * 3 + ["unknown"])


def test_age_can_be_cut_at_chosen_years():
    bands = subgroups(CASES, "age:40/65")
    assert bands.tolist() == ["under 40"] * 3 + ["40-64"] * 2 + ["65+"] * 6 + ["unknown"]
    assert list(bands.cat.categories) == ["under 40", "40-64", "65+", "unknown"]


def test_quartiles_hold_about_equally_many():
    ages = pd.DataFrame({"age": np.random.default_rng(0).normal(60, 15, 4000)})
    counts = subgroups(ages, "age:quartiles").value_counts()
    assert (counts[counts > 0] > 900).all() and (counts > 0).sum() == 4


def test_two_attributes_are_intersected_and_unknown_in_one_is_unknown():
    both = subgroups(CASES, "sex*copd")
    assert both.tolist() == ["female, without", "male, with"] * 5 + ["unknown", "unknown"]
    assert both.cat.categories[-1] == "unknown"
    assert subgroups(CASES, "sex*age:40/65").iloc[0] == "female, under 40"


@pytest.mark.parametrize(
    ("attribute", "message"),
    [
        ("religion", "no attribute 'religion'"),
        ("sex:quartiles", "no attribute"),
        ("sex*religion", "no attribute 'religion'"),
        ("age:65/40", "increasing years"),
        ("age:old", "increasing years"),
        ("age:0", "increasing years"),
        ("age:40/40", "increasing years"),
        ("sex*sex", "two different attributes"),
        ("sex*age*copd", "two different attributes"),
        ("patient_id", "no attribute"),
    ],
)
def test_an_attribute_that_cannot_be_used_is_refused(attribute, message):
    with pytest.raises(CohortError, match=message):
        subgroups(CASES, attribute)


@pytest.mark.parametrize("name", ["stage:4", "a*b", "age:old", "sex*age", ":", "*", "**", "heart*failure:3"])
def test_a_column_whose_name_looks_like_the_notation_is_grouped_by_as_any_other(name):
    cases = CASES.rename(columns={"copd": name})
    assert subgroups(cases, name).tolist() == subgroups(CASES, "copd").tolist()
    for together in ("sex*{}", "{}*sex", "age:40/65*{}"):
        expected = subgroups(CASES, together.format("copd"))
        assert subgroups(cases, together.format(name)).tolist() == expected.tolist()
    assert subgroup_title(name, "with").startswith("With ") and "age" not in attribute_title("stage:4").lower().replace("stage", "")
