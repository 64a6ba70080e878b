"""The slider over privacy budgets, and what the chosen one promises."""

from collections.abc import Sequence

import streamlit as st

from dpmed_core.evaluation.tables.all_tables import EvaluationTables
from dpmed_core.phrases import counted
from widgets.choices import choice
from widgets.lookup import installation

DEFAULT_EPSILON = 1.0


def choose_epsilon(trained: Sequence[float]) -> float | None:
    """The slider over the trained budgets; None where there is none, or where the address names another."""
    if not trained:
        st.info("No private model of this recipe and unit is finished yet: train one on the page *Train*.")
        return None
    options = [f"{epsilon:g}" for epsilon in sorted(trained)]
    default = f"{min(trained, key=lambda epsilon: abs(epsilon - DEFAULT_EPSILON)):g}"
    picked = choice("epsilon", "Privacy budget ε", options, default=default, widget=st.select_slider)
    if picked is None:
        st.caption(f"Trained budgets: {', '.join(options)}. Others can be trained on the page *Privacy and utility*.")
        if st.button("Show a trained budget"):
            st.query_params["epsilon"] = default
            st.rerun()
    return float(picked) if picked else None


def show_guarantee(run_id: str) -> None:
    """What the private run promised, complete."""
    guarantee = installation().runs.result(run_id).guarantee
    if guarantee is not None:
        st.caption(f"{guarantee.sentence()}. Holds for training patients, one model at a time.")


def show_left_out(tables: EvaluationTables) -> None:
    """Which runs are left out: because their files fail their check, or because they are by an older version of their recipe."""
    if tables.superseded:
        left_out = counted(
            len(tables.superseded), "run by an older version of its recipe is", "runs by older versions of their recipes are"
        )
        st.caption(f"{left_out} left out: trainings by different versions are not averaged. Train the budgets you miss again.")
    for run_id in tables.damaged:
        st.error(
            f"The stored files of run {run_id} are damaged; it is left out. Train it again: `python -m dpmed_core runs retry {run_id}`"
        )
