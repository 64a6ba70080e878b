"""Overview: what privacy costs, for which finding and for whom, how sure that is; what was spent; then the cohort itself."""

import streamlit as st

from dpmed_core.foreign_text import plain
from widgets.choices import current_choices
from widgets.cohort import chosen_cohort, has_choices
from widgets.headings import HEADINGS
from widgets.overview.facts import show_cohort_line, show_facts
from widgets.overview.glance import show_glance, show_next_step
from widgets.spending import show_total

ABOUT = (
    "DPMed trains image classifiers on your own radiographs or CT scans, with and without *differential privacy*, and shows what "
    "protecting the training patients costs: the AUROC for each finding at every privacy budget ε that was trained. The smaller ε is, the "
    "less a model reveals about whether a patient's images were used to train it."
)

st.title(HEADINGS["overview"])
selected = current_choices()
if (chosen := chosen_cohort(says_synthetic=False)) is None:
    st.markdown(ABOUT)
else:
    show_cohort_line(chosen)
    for reason in chosen.blocking:
        st.error(f"**Training is not possible.** {plain(reason)}", icon=":material/block:")
    if has_choices(selected):
        show_glance(chosen, selected)
    show_total(chosen)
    if selected.recipe and selected.unit and not chosen.blocking:
        show_next_step(chosen, selected)
    show_facts(chosen)
    st.markdown(ABOUT)
