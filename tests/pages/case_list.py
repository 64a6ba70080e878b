"""The list of cases on a page, as it is sent to the browser, and whether there is any table."""

import json

import pandas as pd
from streamlit.testing.v1 import AppTest

from tests.pages.html_tables import html_tables


def sent(app: AppTest) -> dict[str, object] | None:
    """What the list is given; None where the page has none."""
    protos = (element.proto for element in app.get("bidi_component") if element.proto.component_name == "dpmed-cases")
    return next((json.loads(proto.json if proto.WhichOneof("data") == "json" else proto.mixed.json) for proto in protos), None)


def listed(app: AppTest) -> pd.DataFrame:
    """The rows with their titles, numbers as numbers, by the links of their cases."""
    data = sent(app)
    assert data is not None
    names = [column["name"] for column in data["columns"]]
    rows = json.loads(data["rows"])
    table = pd.DataFrame([row["cells"] for row in rows], columns=names, index=[row["link"] for row in rows])
    for column in data["columns"]:
        if column["isNumber"]:
            table[column["name"]] = pd.to_numeric(table[column["name"]].str.replace("−", "-").str.replace(",", ""))
    return table


def has_tables(app: AppTest) -> bool:
    """Whether the page has a table of any kind."""
    return bool(html_tables(app) or app.table or app.dataframe or sent(app))
