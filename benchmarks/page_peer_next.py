"""The least that Streamlit does for a click on another page: two pages, each of a title and one figure of nine traces."""

import plotly.graph_objects as go
import streamlit as st


def before() -> None:
    """The page that is left."""
    _show("Before")


def after() -> None:
    """The page that is clicked on."""
    _show("Next")


def _show(title: str) -> None:
    st.title(title)
    st.header("Nothing was computed.")
    figure = go.Figure([go.Scatter(x=[1, 2, 3], y=[i, len(title), i], name=str(i)) for i in range(9)])
    st.plotly_chart(figure, theme=None, key=f"figure-{title}")


st.navigation([st.Page(before, title="Before", default=True), st.Page(after, title="Next", url_path="next")]).run()
