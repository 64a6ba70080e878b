"""The chosen cohort, and what to see where there is none."""

import streamlit as st

from dpmed_core.cohort.display_names import IMAGE_WORDS
from dpmed_core.cohort.schema import Cohort
from dpmed_core.demo import progress
from dpmed_core.training.recipes.catalogue import RECIPES, recipes_for
from widgets.choices import current_choices
from widgets.lookup import BUSY_SECONDS, installation


def chosen_cohort() -> Cohort | None:
    """The chosen cohort; where there is none, the page says what to do next."""
    name = current_choices().cohort
    if name is None:
        no_cohort()
        return None
    cohort = installation().cohorts.load(name)
    if cohort.synthetic:
        images = IMAGE_WORDS[cohort.modality].several
        st.info(
            f"**Synthetic cohort.** These {images} were drawn by a computer and show no patient. They flatter {_flattered(cohort)}, whose "
            f"encoder learnt from {images} of the same kind.",
            icon=":material/science:",
        )
    return cohort


def _flattered(cohort: Cohort) -> str:
    """The recipes for the cohort's images that begin from the public encoder: "recipes *probe* and *finetune*"."""
    names = [f"*{name}*" for name in recipes_for(cohort.modality) if RECIPES[name].on_encoder]
    return f"{'recipe' if len(names) == 1 else 'recipes'} {' and '.join(names)}"


def no_cohort() -> None:
    """What to see and do while there is no cohort."""
    if installation().cohorts.names():
        st.info("Choose a cohort in the sidebar.")
        return
    _first_start()


@st.fragment(run_every=BUSY_SECONDS)
def _first_start() -> None:
    reached = progress(installation().settings)
    if installation().cohorts.names():
        st.rerun()
    if reached is not None and reached.stage != "done":
        st.subheader("The demo cohort is being made")
        st.progress(
            reached.done / max(reached.total, 1),
            f"{reached.done} of {reached.total} synthetic images drawn" if reached.total else "Starting",
        )
        st.caption("Its models then train by themselves; this page goes on without a click.")
        return
    st.subheader("No cohort yet")
    st.markdown("Import your own radiographs or CT scans from a table, one row an image:")
    st.code("python -m dpmed_core cohort add chest --manifest chest.csv --findings cardiomegaly,effusion", language="bash")
    st.markdown("or draw a synthetic cohort to look around:")
    st.code("python -m dpmed_core cohort add-demo radiograph", language="bash")
