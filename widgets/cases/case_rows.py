"""The list of cases on the page: the rows around the selected case, of which a click or a key selects another."""

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pandas as pd
import streamlit as st

from dpmed_core.cohort.display_names import finding_title
from dpmed_core.cohort.schema import Cohort
from dpmed_core.evaluation.scores.findings import MACRO
from dpmed_core.foreign_text import plain_line
from widgets.address.session import gesture
from widgets.browser_programs import CASE_ROWS, LOADER
from widgets.cached import links_of
from widgets.cases.choice import CaseList
from widgets.cases.labels import ANSWER_TITLES, TRUTH_TITLES
from widgets.lookup import reported

STYLE = Path(__file__).parent / "case_rows.css"
KEY = "worklist"
MOST_ROWS = 100
"""Rows that are sent to the browser at once, around the selected case."""
TEXTS = ("Finding", "Label", "Private answer", "Non-private answer", "Sex")
"""Columns that are no numbers."""


def show_list(case_list: CaseList, current: str, cohort: Cohort) -> None:
    """Show the rows around the selected case.

    Args:
        case_list: the cases that the filters leave.
        current: the link of the selected case, which the filters may leave out.
        cohort: of the cases.
    """
    place = case_list.links.index(current) if current in case_list.links else 0
    first = place - place % MOST_ROWS
    links = case_list.links[first : first + MOST_ROWS]
    table = rows_in_words(case_list.table.iloc[first : first + MOST_ROWS], links, cohort, first)
    rows = [{"link": link, "cells": [plain_line(text) for text in cells]} for link, cells in zip(links, table.to_numpy(), strict=True)]
    data = {
        "program": CASE_ROWS.address,
        "label": "Cases",
        "columns": [{"name": name, "isNumber": name not in TEXTS} for name in table.columns],
        # As text: the browser draws rows anew where it is another one.
        "rows": json.dumps(rows),
        "current": current,
    }
    _component()(key=KEY, data=data, on_pick_change=partial(_pick, case_list))


def rows_in_words(part: pd.DataFrame, links: Sequence[str], cohort: Cohort, first: int) -> pd.DataFrame:
    """A part of a list, as text under its titles.

    Args:
        part: rows of `CaseList.table`.
        links: of its cases.
        cohort: of its cases.
        first: the position of its first row in the list, from 0.
    """
    rows = links_of(cohort).rows
    who = cohort.cases.iloc[[rows[link] for link in links]]
    table = pd.DataFrame(
        {
            "No.": [f"{first + row + 1:,}" for row in range(len(part))],
            "Finding": part["finding"].map(lambda name: "Any" if name == MACRO else finding_title(name)).to_numpy(),
            "Label": part["truth"].map(TRUTH_TITLES).to_numpy(),
            "Private answer": part["answer"].map(ANSWER_TITLES).to_numpy(),
            "Non-private answer": part["answer_without"].map(ANSWER_TITLES).to_numpy(),
            "Private score": _numbers(part["score"]),
            "Non-private score": _numbers(part["score_without"]),
            "Change": _numbers(part["change"]),
            "Spread": _numbers(part["spread"]),
            "Age": _numbers(who["age"], ".0f"),
            "Sex": who["sex"].str.capitalize().to_numpy(),
        }
    )
    return table.drop(columns="Finding") if part["finding"].nunique() == 1 else table


def _numbers(values: pd.Series, form: str = ".3f") -> list[str]:
    """`values` as text; empty where there is none."""
    return ["" if pd.isna(value) else format(value, form).replace("-", "−") for value in values]


def _pick(case_list: CaseList) -> None:
    """Select the case that was picked: it comes from the browser, so that only cases that may be shown are accepted."""
    link = reported(KEY, "pick")
    if isinstance(link, str) and link in case_list.findings:
        gesture("case", link)


@st.cache_resource
def _component() -> Callable[..., object]:
    html = '<div class="dpmed-cases" role="region"></div>'
    return st.components.v2.component("dpmed-cases", html=html, css=STYLE.read_text(encoding="utf-8"), js=LOADER)
