"""The attribute that subgroups are made by: sex, age, a co-morbidity, two of them, or age with the reader's own cut points."""

from itertools import combinations

import streamlit as st

from dpmed_core.cohort.display_names import attribute_title
from dpmed_core.cohort.groups import ATTRIBUTES, TOGETHER, subgroups
from dpmed_core.cohort.schema import Cohort
from widgets.address.session import gesture, stated
from widgets.choices import choice

AGE_QUARTILES, AGE_CUTS = "age:quartiles", "age:"


def choose_attribute(cohort: Cohort) -> str | None:
    """The chosen attribute; cut points of age in the address become a further option.

    Raises:
        CohortError: the cut points cannot be read.
    """
    options = attribute_options(cohort)
    asked = stated("attribute") or ""
    if asked.startswith(AGE_CUTS) and asked not in options:
        subgroups(cohort.cases, asked)  # refuses what it cannot read
        options.append(asked)
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    with left:
        chosen = choice("attribute", "Subgroups by", options, title=attribute_title)
    with right.popover("Other ages", icon=":material/content_cut:"), st.form("cuts", border=False):
        cuts = st.text_input("Ages in years at which a new group begins", "40/65", help="Increasing numbers, separated by /.")
        if st.form_submit_button("Apply"):
            gesture("attribute", AGE_CUTS + cuts.replace(" ", "").replace(",", "/"))
            st.rerun()
    return chosen


def attribute_options(cohort: Cohort) -> list[str]:
    """All attributes that can group the patients of `cohort`: single attributes, age quartiles, and pairs of attributes."""
    single = [*ATTRIBUTES, *cohort.comorbidities]
    return [*single, AGE_QUARTILES, *(TOGETHER.join(pair) for pair in combinations(single, 2))]
