"""The small tables of a page, which it shows as HTML."""

import xml.etree.ElementTree as ET

import pandas as pd
from streamlit.testing.v1 import AppTest


def html_tables(app: AppTest) -> list[pd.DataFrame]:
    """Every table of the page, as text, in its order."""
    return [table for element in app.get("html") for table in parsed(element.proto.body)]


def parsed(html: str) -> list[pd.DataFrame]:
    """The tables in well-formed HTML, as text; those that other elements of the page hold, too."""
    if "<table" not in html:
        return []
    found = []
    for table in ET.fromstring(f"<page>{html}</page>").iter("table"):
        heads, *rows = ([("".join(cell.itertext())) for cell in row] for row in table.iter("tr"))
        found.append(pd.DataFrame(rows, columns=heads))
    return found
