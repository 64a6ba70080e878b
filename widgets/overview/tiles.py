"""The tiles of Overview: an answer in large letters, its number with the interval, how sure it is, and the way to its page."""

from collections.abc import Mapping

import streamlit as st

from dpmed_core.foreign_text import plain
from dpmed_core.reporting.wording.first_glance import Tile
from widgets.budget_control.following import show_following


def show_tile(stops: Mapping[float, Tile], *, key: str, page: str, label: str, chosen: dict[str, str]) -> None:
    """Show one tile, which follows the axis of the page, and a link to `page`.

    Args:
        stops: what it says at each trained budget.
        key: of the element on the page.
        page: the file of the page.
        label: of the link.
        chosen: choices that the page opens with, by their names in the address.
    """
    with st.container(border=True, height="stretch", gap="xsmall"):
        show_following({epsilon: [tile] for epsilon, tile in stops.items()}, key=key)
        st.page_link(page, label=plain(label), icon=":material/arrow_forward:", query_params=chosen)
