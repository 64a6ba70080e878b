"""What browsers start while the first page is read: programs that other pages need (`ahead.js`), of Streamlit and ours."""

from functools import cache
from html import escape
from pathlib import Path

import streamlit

from widgets.browser_programs import AXIS, CASE_ROWS, PLOTLY, VIEWER

CHUNKS = Path(streamlit.__file__).parent / "static" / "static" / "js"
ELEMENTS = ("BidiComponent", "Html", "PageLink", "Button", "ButtonGroup", "Multiselect", "NumberInput", "TextInput", "TextArea", "Metric")
"""Elements of our pages whose programs Streamlit loads when a page first has one, by the names of their files."""


@cache
def attributes() -> str:
    """Addresses for `ahead.js`, relative to the page, as HTML attributes of the document's script."""
    # Names contain hashes; one that Streamlit no longer has is left out, and loaded when a page needs what came in its place.
    chunks = [f"static/js/{file.name}" for element in ELEMENTS for file in CHUNKS.glob(f"{element}.*.js")]
    ahead = " ".join([*chunks, CASE_ROWS.address, VIEWER.address])
    return f'data-ahead="{escape(ahead)}" data-axis="{escape(AXIS.address)}" data-plotly="{escape(PLOTLY.address)}"'
