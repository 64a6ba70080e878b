"""Routes for a probe: `/health`, whether the server lives, and `/ready`, whether it can do what is asked of it.

Both answer 200 or 503 with `{"ok": ..., "checks": [{"name", "ok", "message", "repair"}]}`. They need no sign-on and say nothing of a
patient. Streamlit's own `/_stcore/health` tells only that its server runs: browsers ask it before they connect, so that pages stay readable
where nothing can be trained.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import asdict

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from dpmed_core.engine.duties import Duties
from dpmed_core.engine.health import Check, live_checks, ready_checks
from dpmed_core.settings import load_settings

ANSWER_SECONDS = 20.0
"""After which the checks are said to have failed: a disk or a database that hangs would keep the probe waiting."""


def health_routes(duties: Callable[[], Duties]) -> list[Route]:
    """The two routes, for the server that `duties` keep."""

    async def live(_: Request) -> JSONResponse:
        """Whether the server lives."""
        return _answer(live_checks(duties()))

    async def ready(_: Request) -> JSONResponse:
        """Whether the server can do what is asked of it."""
        try:
            checks = await asyncio.wait_for(run_in_threadpool(ready_checks, load_settings(), duties()), ANSWER_SECONDS)
        except TimeoutError:
            checks = [
                Check("data folder", False, f"The checks took longer than {ANSWER_SECONDS:g} seconds.", "See the disk and the database.")
            ]
        return _answer(checks)

    return [Route("/health", live, methods=["GET"]), Route("/ready", ready, methods=["GET"])]


def _answer(checks: Sequence[Check]) -> JSONResponse:
    ok = all(check.ok for check in checks)
    document = {"ok": ok, "checks": [asdict(check) for check in checks]}
    return JSONResponse(document, status_code=200 if ok else 503, headers={"Cache-Control": "no-store"})
