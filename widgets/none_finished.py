"""What a page of results says where no model that begins as chosen is finished."""

import streamlit as st

from dpmed_core.cohort.schema import Cohort
from dpmed_core.evaluation.scores.scored_runs import trained_kinds
from dpmed_core.foreign_text import plain
from widgets.choices import current_choices
from widgets.lookup import installation


def show_none_finished(cohort: Cohort, appears: str) -> None:
    """Say that there is nothing to show yet, or which finished models the sidebar leaves out.

    Args:
        cohort: whose models.
        appears: what appears here once models are finished, in a sentence.
    """
    chosen = current_choices().start
    # Finished models of the chosen start are here where none of them can be read; that is said above.
    if not (starts := dict.fromkeys(start for _, start, _ in trained_kinds(installation().runs, cohort) if start != chosen)):
        st.info(f"No model is finished yet. {plain(appears)} Nothing queued? Plan some on the page *Train*.")
        return
    others = " and ".join(plain(_begin(start)) for start in starts)
    st.info(
        f"No model that begins {plain(_begin(chosen))} is finished yet. Models {others} are: choose them under "
        "*Models begin* in the sidebar."
    )


def _begin(start: str | None) -> str:
    return "from scratch" if start is None else f"at public start {start}"
