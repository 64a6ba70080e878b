"""Programs that run in the browser: served beside the pages under a name that changes with their content, and loaded once."""

import gzip
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

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


@lru_cache(maxsize=8)
def named_program(path: Path) -> tuple[str, bytes]:
    """The program in the file `path`: its name, which contains a hash of its content, and its content."""
    text = path.read_bytes()
    return f"{path.name.split('.')[0]}-{sha256(text).hexdigest()[:12]}.js", text


def serve_program(path: Path, request: Request) -> Response:
    """The program in the file `path`, which anybody may fetch, since it holds no data; 404 under any name but its own."""
    name, text = named_program(path)
    if request.path_params["name"] != name:
        return Response(status_code=404)
    headers = {**KEPT_FOR_EVER, "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        # Compressed once: the server's own middleware would do it at every request.
        text, headers = _compressed(path), {**headers, "Content-Encoding": "gzip"}
    return Response(text, media_type="text/javascript", headers=headers)


@lru_cache(maxsize=8)
def _compressed(path: Path) -> bytes:
    return gzip.compress(named_program(path)[1])
