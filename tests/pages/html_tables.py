"""The small tables and large numbers of a page, which it shows as HTML."""

import xml.etree.ElementTree as ET

import pandas as pd
from streamlit.testing.v1 import AppTest


def html_tables(app: AppTest) -> list[pd.DataFrame]:
    """Every table of the page, as text, in its order."""
    return [table for element in app.get("html") for table in parsed(element.proto.body)]


def case_table(app: AppTest) -> pd.DataFrame:
    """Scores and answers of the shown case, by finding."""
    [table] = [table for table in html_tables(app) if "Private score" in table]
    return table.set_index("Finding")


def html_numbers(app: AppTest) -> dict[str, tuple[str, str]]:
    """Value, and what stands beside it, of every number in large letters."""
    found = {}
    for element in app.get("html"):
        if "<dl" in element.proto.body:
            for number in ET.fromstring(element.proto.body).iter("div"):
                title, value, *beside = ("".join(part.itertext()) for part in number)
                found[title] = (value, "".join(beside))
    return found


def copied_texts(app: AppTest) -> list[str]:
    """The texts of a page beside which a button copies them."""
    blocks = [element.proto.body for element in app.get("html") if 'class="dpmed-copied"' in element.proto.body]
    return ["".join(code.itertext()) for block in blocks for code in ET.fromstring(block).iter("code")]


def parsed(html: str) -> list[pd.DataFrame]:
    """The tables in well-formed HTML, as text; those that other elements of the page hold, too."""
    if "<table" not in html:
        return []
    found = []
    for table in ET.fromstring(f"<page>{html}</page>").iter("table"):
        heads, *rows = ([("".join(cell.itertext())) for cell in row] for row in table.iter("tr"))
        found.append(pd.DataFrame(rows, columns=heads))
    return found
