"""What subgroups are made by: sex, age, co-morbidities, two of them together, or ages cut by hand."""

from itertools import combinations

import streamlit as st

from dpmed_core.cohort.display_names import attribute_title
from dpmed_core.cohort.groups import ATTRIBUTES, TOGETHER, subgroups
from dpmed_core.cohort.schema import Cohort
from widgets.choices import choice

AGE_QUARTILES, AGE_CUTS = "age:quartiles", "age:"


def choose_attribute(cohort: Cohort) -> str | None:
    """The chosen attribute; cuts of age that the address names are an option of their own.

    Raises:
        CohortError: the cuts are written wrongly.
    """
    options = attribute_options(cohort)
    asked = str(st.query_params.get("attribute", ""))
    if asked.startswith(AGE_CUTS) and asked not in options:
        subgroups(cohort.cases, asked)
        options.append(asked)
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    with left:
        chosen = choice("attribute", "Groups of patients by", options, title=attribute_title)
    with right.popover("Cut ages elsewhere", icon=":material/content_cut:"), st.form("cuts", border=False):
        cuts = st.text_input("Ages at which a new group begins, in years", "40/65", help="Rising numbers, with / between them.")
        if st.form_submit_button("Group by these"):
            st.query_params["attribute"] = AGE_CUTS + cuts.replace(" ", "").replace(",", "/")
            st.rerun()
    return chosen


def attribute_options(cohort: Cohort) -> list[str]:
    """Everything that groups the patients of `cohort`: single attributes, age quartiles, two attributes together."""
    single = [*ATTRIBUTES, *cohort.comorbidities]
    return [*single, AGE_QUARTILES, *(TOGETHER.join(pair) for pair in combinations(single, 2))]
