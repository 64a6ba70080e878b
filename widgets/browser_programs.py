"""Programs that run in the browser: served beside the pages under a name that changes with their content, and loaded once."""

import gzip
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import plotly
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

LOADER = """
const loading = {};
export default function (component) {
  const address = new URL(component.data.program, document.baseURI).href;
  loading[address] ??= import(address);
  let close, ended = false;
  loading[address].then((program) => { if (!ended) close = program.show(component); });
  return () => { ended = true; close?.(); };
}
"""
"""Loads a component's program once, from a route beside the page, and passes it what to show. A program that is still loading when the
component is removed must not show anything afterwards, hence `ended`."""
KEPT_FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}


@dataclass(frozen=True)
class Program:
    """A program for the browser, which anybody may fetch, since it holds no data.

    Attributes:
        path: below which it is served, without a leading slash.
        files: what it consists of, one after another; the first one names it.
    """

    path: str
    files: tuple[Path, ...]

    @cached_property
    def text(self) -> bytes:
        """What is served."""
        return b"\n".join(file.read_bytes() for file in self.files)

    @cached_property
    def name(self) -> str:
        """What it is served as, which contains a hash of its text."""
        return f"{self.files[0].name.split('.')[0]}-{sha256(self.text).hexdigest()[:12]}.js"

    @property
    def address(self) -> str:
        """Where a page finds it: relative to the page, so that it works behind a proxy under any path."""
        return f"{self.path}/{self.name}"

    def route(self) -> Route:
        """The route beside the pages that serves it; Starlette calls it in a thread, so that compressing holds nobody up."""
        return Route(f"/{self.path}/{{name}}", self._serve, methods=["GET"])

    def _serve(self, request: Request) -> Response:
        if request.path_params["name"] != self.name:
            return Response(status_code=404)
        headers = {**KEPT_FOR_EVER, "Vary": "Accept-Encoding"}
        if "gzip" not in request.headers.get("accept-encoding", ""):
            return Response(self.text, media_type="text/javascript", headers=headers)
        return Response(self._compressed, media_type="text/javascript", headers={**headers, "Content-Encoding": "gzip"})

    @cached_property
    def _compressed(self) -> bytes:
        """Compressed once: the server's own middleware would do it at every request."""
        return gzip.compress(self.text)


HERE = Path(__file__).parent
AXIS = Program("api/budget", tuple(HERE / "budget_control" / file for file in ("control.js", "pictures.js")))
PLOTLY = Program("api/plotly", (Path(plotly.__file__).parent / "package_data" / "plotly.min.js",))
"""Plotly as its Python package brings it: Streamlit's own copy cannot be reached from outside of its charts."""
CASE_ROWS = Program("api/cases", (HERE / "cases" / "case_rows.js",))
VIEWER = Program("api/viewer", (HERE / "viewer" / "dist" / "viewer.js",))
PRESENTER = Program("api/presenter", (HERE / "meeting" / "presenter.js",))
DOCUMENT = Program(
    "api/document",
    tuple(HERE / file for file in ("address/history.js", "document/first_words.js", "document/ahead.js", "copied_text.js")),
)
"""What every page loads before anything else."""
PROGRAMS = (AXIS, PLOTLY, CASE_ROWS, VIEWER, PRESENTER, DOCUMENT)
