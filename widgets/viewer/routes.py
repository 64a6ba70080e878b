"""The routes beside the pages: the viewer's program, and pixels for sessions that may see them."""

from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from widgets.viewer.access import Grant
from widgets.viewer.sessions import pixel_grants

BUNDLE = Path(__file__).parent / "dist" / "viewer.js"
TOKEN_HEADER = "x-dpmed-token"
PIXEL_PATH, PROGRAM_PATH = "api/pixels", "api/viewer"
LINK_LENGTH = 16
PRIVATE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "same-origin"}
"""Headers of everything that says something of a patient: no copy is kept outside memory, and no other site may read it."""


@lru_cache(maxsize=1)
def program() -> tuple[str, bytes]:
    """The viewer's program: its name, which changes with its content, and its text."""
    text = BUNDLE.read_bytes()
    return f"viewer-{sha256(text).hexdigest()[:12]}.js", text


async def serve_program(request: Request) -> Response:
    """The viewer's program; it is part of DPMed and says nothing of anybody."""
    name, text = program()
    if request.path_params["name"] != name:
        return Response(status_code=404)
    return Response(text, media_type="text/javascript", headers={"Cache-Control": "public, max-age=31536000, immutable"})


async def serve_pixels(request: Request) -> Response:
    """Raw pixels, little-endian, in the order of the array: 403 without a valid token, 404 for what its session may not see."""
    grant = pixel_grants().find(request.headers.get(TOKEN_HEADER, ""))
    if grant is None:
        return Response(status_code=403, headers=PRIVATE)
    found = await run_in_threadpool(_read, grant, request.path_params["link"])
    if found is None:
        return Response(status_code=404, headers=PRIVATE)
    return Response(found, media_type="application/octet-stream", headers={**PRIVATE, "Content-Encoding": "identity"})


ROUTES = (
    Route(f"/{PIXEL_PATH}/{{link}}", serve_pixels, methods=["GET"]),
    Route(f"/{PROGRAM_PATH}/{{name}}", serve_program, methods=["GET"]),
)


def _read(grant: Grant, link: str) -> bytes | None:
    image = grant.images.read(link) if len(link) == LINK_LENGTH and link.isalnum() else None
    return None if image is None else _little_endian(image).tobytes()


def _little_endian(image: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(image, dtype=image.dtype.newbyteorder("<"))
