"""What the page *Train* says before anything is spent."""

import numpy as np
import pandas as pd
import pytest

from .html_tables import html_tables
from .test_pages import texts
from .test_unusual_cohorts import store_as

__all__ = ["store_as"]


def table(app, column):
    """The first shown table with this column."""
    return next(shown for shown in html_tables(app) if column in shown.columns)


def test_what_the_cohort_can_tell_stands_before_the_button(cohort, open_page):
    app = open_page("train", cohort=cohort.name)
    assert not app.exception
    assert "What can this cohort tell?" in [shown.value for shown in app.header]
    shown = table(app, "Loss to expect (90 % range)")
    assert set(shown["ε"]) <= {"0.3", "1", "8", "any"} and len(set(shown["Finding"])) == len(cohort.findings)
    assert "analytic-gaussian accountant" in texts(app) and "nothing is spent" in texts(app)


def test_one_training_can_show_nothing_and_the_table_says_so(cohort, open_page):
    app = open_page("train", cohort=cohort.name)
    app.number_input[0].set_value(1).run()
    shown = table(app, "Smallest loss it can show")
    assert set(shown["Smallest loss it can show"]) == {"–"} and shown["Remarks"].str.contains("One training|ewer than").all()


def test_groups_are_shown_when_they_are_chosen(cohort, open_page):
    app = open_page("train", cohort=cohort.name)
    app.multiselect(key="plan-by").set_value(["sex"]).run()
    assert not app.exception
    assert {"Female", "Male"} <= set(table(app, "Smallest extra loss it can show")["Group"])


def test_a_form_that_cannot_be_read_leaves_the_section_with_what_to_do(cohort, open_page):
    app = open_page("train", cohort=cohort.name)
    app.text_input[0].set_value("abc").run()
    assert "Name privacy budgets above" in texts(app) and not app.exception


@pytest.mark.parametrize(("positives", "said"), [(2, True), (None, False)])
def test_a_finding_that_cannot_be_judged_is_said_beside_the_button(positives, said, store_as, cohort, open_page, empty):
    finding = cohort.findings[0]
    if positives:
        values = np.zeros(len(cohort.cases))
        values[:positives] = 1
        cohort.cases[finding] = values
    store_as((finding,))
    app = open_page("train", cohort="another")
    assert ("cannot be judged" in texts(app) or "No finding can be judged" in texts(app)) is said
    assert isinstance(table(app, "Positive images"), pd.DataFrame)
