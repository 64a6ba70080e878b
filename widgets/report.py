"""The validation report of an import on a page."""

import json
from dataclasses import asdict

import pandas as pd
import streamlit as st

from dpmed_core.cohort.report import ImportReport
from dpmed_core.cohort.validation.repairs import printed_fields
from dpmed_core.cohort.validation.table import checks_table, rows_text
from dpmed_core.foreign_text import plain
from dpmed_core.people.roles import Action
from widgets.copied_text import show_copied_text
from widgets.lookup import asked_for_later

REPORT_ROW_HEIGHT = 72
"""In pixels: high enough that sentences wrap instead of being cut off."""


def show_report(report: ImportReport, *, name: str) -> None:
    """The findings of the import: what prevents training, what to check, what was left out; a selected line shows all its rows."""
    for sentence in report.blocking:
        st.error(f"**Training is not possible.** {plain(sentence)}", icon=":material/block:")
    st.header("Validation report")
    if not report.checks:
        st.caption("No check found a problem: no repeated or contradictory images, no finding too rare, no row left out.")
        return
    titles = {
        "weight": st.column_config.TextColumn("", width="small"),
        "sentence": st.column_config.TextColumn("What was found", width="large"),
        "repair": st.column_config.TextColumn("What to do", width="medium"),
        "rows": st.column_config.TextColumn("Rows of the table", width="medium"),
        "guarantee": st.column_config.TextColumn("Guarantee", width="small"),
    }
    picked = st.dataframe(
        checks_table(report),
        hide_index=True,
        column_config=titles,
        row_height=REPORT_ROW_HEIGHT,
        on_select="rerun",
        selection_mode="single-row",
        key=f"checks-{name}",
    )
    for line in picked["selection"]["rows"]:
        st.markdown(f"**{plain(report.checks[line].sentence)}** All its rows:")
        show_copied_text(rows_text(report.checks[line]) or "none", label="Rows of the table")
    st.caption(
        "Select a line to see all its rows. “Outside” the guarantee: if images were removed or merged for this reason, one patient's "
        "images would decide what happens to another's, which the privacy guarantee does not cover. DPMed never does so by itself."
    )
    if report.problems:
        with st.expander(f"{report.n_rows - report.n_imported:,} of {report.n_rows:,} rows were left out"):
            st.dataframe(pd.DataFrame([asdict(problem) for problem in report.problems]), hide_index=True)
    st.download_button(
        "Report (JSON)",
        asked_for_later(lambda _: json.dumps(printed_fields(report), indent=1), Action.SEE_RESULTS, f"import of {name}"),
        f"import-{name}.json",
        "application/json",
        on_click="ignore",
    )
