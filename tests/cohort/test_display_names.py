"""Names of attributes, subgroups and findings in words."""

import pytest

from dpmed_core.cohort.display_names import attribute_phrase, attribute_title, column_title, finding_title, spelled_out, subgroup_title


@pytest.mark.parametrize(
    ("attribute", "title", "phrase"),
    [
        ("sex", "Sex", "sex"),
        ("copd", "COPD", "COPD"),
        ("heart_failure", "Heart failure", "heart failure"),
        ("age:quartiles", "Age quartiles", "age quartiles"),
        ("age:40/65", "Age, cut at 40 and 65", "age, cut at 40 and 65"),
        ("sex*age", "Sex and age", "sex and age"),
        ("sex*copd", "Sex and COPD", "sex and COPD"),
        ("ards", "ARDS", "ARDS"),
        ("covid19", "COVID-19", "COVID-19"),
        ("Covid_19_pneumonia".lower(), "COVID-19 pneumonia", "COVID-19 pneumonia"),
    ],
)
def test_an_attribute_is_written_in_words(attribute, title, phrase):
    assert (attribute_title(attribute), attribute_phrase(attribute)) == (title, phrase)


@pytest.mark.parametrize(
    ("attribute", "subgroup", "title"),
    [
        ("all", "all", "All patients"),
        ("sex", "female", "Female"),
        ("age", "60-69", "60–69 years"),
        ("age:40/65", "under 40", "Under 40 years"),
        ("heart_failure", "without", "Without heart failure"),
        ("sex*age", "female, 80+", "Female, 80+ years"),
        ("sex*copd", "male, with", "Male, with COPD"),
        ("copd*sex", "with, male", "With COPD, male"),
        ("sex*age", "unknown", "Unknown"),
    ],
)
def test_a_subgroup_is_written_in_words(attribute, subgroup, title):
    assert subgroup_title(attribute, subgroup) == title


def test_an_abbreviation_is_written_in_capitals_and_spelled_out_where_it_is_first_met():
    assert (finding_title("pdac"), column_title("pdac")) == ("PDAC", "PDAC")
    assert spelled_out("pdac") == "Pancreatic ductal adenocarcinoma (PDAC)"
    assert (spelled_out("pleural_effusion"), spelled_out("heart_failure")) == ("Pleural effusion", "Heart failure")
