"""What a page shows at the budget of its axis: words and figures that are sent for all budgets, and figures that stand still."""

import json
from typing import Any

from streamlit.testing.v1 import AppTest


def mounted(app: AppTest) -> list[dict[str, Any]]:
    """The data of every axis, follower and still figure on the page, in its order."""
    sent = (element.proto for element in app.get("bidi_component") if element.proto.component_name == "dpmed-budget")
    return [json.loads(proto.json if proto.WhichOneof("data") == "json" else proto.mixed.json) for proto in sent]


def axis(app: AppTest) -> dict[str, Any] | None:
    """The data of the axis; None where the page has none."""
    return next((data for data in mounted(app) if data["kind"] == "axis"), None)


def said(app: AppTest) -> str:
    """The words that follow the axis, where it stands."""
    parts = said_at(app, (axis(app) or {}).get("chosen"))
    return "\n".join(part["text"] for of_element in parts for part in of_element if "text" in part)


def said_at(app: AppTest, budget: str | None) -> list[list[dict[str, str]]]:
    """The parts of each element with words, at `budget`."""
    stops = [json.loads(data["words"]) for data in mounted(app) if "words" in data]
    return [stop.get(budget, []) for stop in stops]


def helps(app: AppTest) -> str:
    """What stands a click away, behind the question marks of lines of text and headings."""
    return "\n".join(
        element.proto.help for kind in (app.markdown, app.caption, app.header, app.metric) for element in kind if element.proto.help
    )


def figures(app: AppTest) -> list[dict[str, Any]]:
    """The figures of the page, as they are drawn where the axis stands, each with its alternative text."""
    at = (axis(app) or {}).get("chosen")
    found = []
    for data in mounted(app):
        if "figure" in data and (budget := at if data["scope"] else "") in (figure := json.loads(data["figure"]))["frames"]:
            found.append({**drawn(figure, budget), "alternative": json.loads(data["alternatives"]).get(budget)})
    return found


def drawn(figure: dict[str, Any], budget: str) -> dict[str, Any]:
    """A figure at one of its budgets, as the browser puts it together."""
    frame = figure["frames"][budget]
    return {
        "data": [frame["data"].get(str(i), trace) for i, trace in enumerate(figure["data"])],
        "layout": {**figure["layout"], **frame["layout"]},
    }
