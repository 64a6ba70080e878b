"""Routes beside the pages: the program of the budget axis, and Plotly's."""

from functools import partial
from pathlib import Path

import plotly
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from widgets.browser_program import named_program, serve_program

CONTROL = Path(__file__).parent / "control.js"
PLOTLY = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
"""Plotly as its Python package brings it: Streamlit's own copy cannot be reached from outside of its charts."""
PROGRAMS = {"api/budget": CONTROL, "api/plotly": PLOTLY}


def addresses() -> dict[str, str]:
    """Where a page finds the program and Plotly; without a leading slash, so that they are relative to the page, behind a proxy too."""
    program, drawing = (f"{path}/{named_program(file)[0]}" for path, file in PROGRAMS.items())
    return {"program": program, "plotly": drawing}


async def _serve(file: Path, request: Request) -> Response:
    # In a thread: compressing Plotly for the first time would hold up all sessions.
    return await run_in_threadpool(serve_program, file, request)


ROUTES = tuple(Route(f"/{path}/{{name}}", partial(_serve, file), methods=["GET"]) for path, file in PROGRAMS.items())
