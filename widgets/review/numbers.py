"""The frozen numbers of a review: the sentences and tables of its report."""

import pandas as pd
import streamlit as st

from dpmed_core.decision_report.report_tables import Table
from dpmed_core.foreign_text import plain
from dpmed_core.review.store import Review
from widgets.cohort import show_synthetic
from widgets.review.read import gathered_of, numbers_of


def show_numbers(review: Review) -> None:
    """What was looked at, as it was frozen."""
    if (gathered := gathered_of(review)) is None:
        st.info("No number is shown: what was frozen is not genuine.")
        return
    sentences, (first, *others), limits = numbers_of(review)
    show_table(first)
    show_synthetic(gathered.cohort)
    for sentence in sentences:
        st.markdown(plain(sentence))
    for table in others:
        show_table(table)
    with st.expander("What these numbers do not say"):
        for sentence in limits:
            st.markdown(plain(sentence))


def show_table(table: Table, *, row_height: int | None = None) -> None:
    """A table of a report; cells are text, which its grid shows as it is, in several lines where a row has the height for it."""
    st.dataframe(pd.DataFrame(list(table.rows), columns=_heads(table)), hide_index=True, row_height=row_height)
    st.caption(plain(table.caption))


def _heads(table: Table) -> list[str]:
    """The columns' heads, of which a grid takes no two alike: a repeated one says which column before it it belongs to."""
    return [
        head if table.head.index(head) == place else f"{head}, {table.head[place - 1].lower()}" for place, head in enumerate(table.head)
    ]
