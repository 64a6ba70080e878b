"""The route beside the pages of the presenter's keys."""

from functools import partial
from pathlib import Path

from starlette.routing import Route

from widgets.browser_program import named_program, serve_program

PRESENTER = Path(__file__).parent / "presenter.js"
PATH = "api/presenter"


def address() -> str:
    """Where a page finds the program; without a leading slash, so that it is relative to the page, behind a proxy too."""
    return f"{PATH}/{named_program(PRESENTER)[0]}"


ROUTES = (Route(f"/{PATH}/{{name}}", partial(serve_program, PRESENTER), methods=["GET"]),)
