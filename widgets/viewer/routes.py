"""The route beside the pages of pixels, for sessions that may see them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from widgets.viewer.access import PixelAccess
from widgets.viewer.sessions import pixel_tokens

TOKEN_HEADER = "x-dpmed-token"
PIXEL_PATH = "api/pixels"
LINK_LENGTH = 16
PRIVATE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "same-origin"}
"""Headers of every answer about a patient: no copy outside memory, and no other site may read it."""


async def serve_pixels(request: Request) -> Response:
    """Raw pixels, little-endian, in the order of the array; 403 without a valid token, 404 for what its session may not see.

    The token is in a header, never in the address, which servers and proxies log.
    """
    access = pixel_tokens().find(request.headers.get(TOKEN_HEADER, ""))
    if access is None:
        return Response(status_code=403, headers=PRIVATE)
    # In a thread: reading from disk would hold up all other sessions.
    found = await run_in_threadpool(_read, access, request.path_params["link"])
    if found is None:
        return Response(status_code=404, headers=PRIVATE)
    # With an encoding set, the server's gzip middleware does not compress every image anew at every request.
    return Response(found, media_type="application/octet-stream", headers={**PRIVATE, "Content-Encoding": "identity"})


PIXEL_ROUTE = Route(f"/{PIXEL_PATH}/{{link}}", serve_pixels, methods=["GET"])


def _read(access: PixelAccess, link: str) -> bytes | None:
    """The bytes of an image; no link but sixteen letters or digits is looked up at all."""
    image = access.images.read(link) if len(link) == LINK_LENGTH and link.isalnum() else None
    return None if image is None else _little_endian(image).tobytes()


def _little_endian(image: NDArray[Any]) -> NDArray[Any]:
    # JavaScript's typed arrays have the byte order of the browser's machine, which is little-endian on all that are in use.
    return np.ascontiguousarray(image, dtype=image.dtype.newbyteorder("<"))
