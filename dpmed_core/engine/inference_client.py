"""Submitting inference requests: the request is stored first, then an engine is started in the background if none is running."""

import logging
import threading

import numpy as np
from numpy.typing import NDArray

from dpmed_core.engine.process import ensure_engine
from dpmed_core.errors import DpmedError, in_words
from dpmed_core.inference.requests import InferenceRequest
from dpmed_core.inference.status import Stage
from dpmed_core.inference.store import LIMIT_SECONDS, InferenceRequests

log = logging.getLogger(__name__)


def ask(
    requests: InferenceRequests,
    request: InferenceRequest,
    *,
    pixels: NDArray[np.generic] | None = None,
    limit_seconds: float = LIMIT_SECONDS,
) -> str:
    """The name of `request`, which is now stored, unless the same is open or answered, while an engine is started for it.

    Args:
        requests: the store.
        request: what to compute.
        pixels: the image of an uploaded case.
        limit_seconds: the time after which an open request expires.
    """
    name = requests.ask(request, pixels=pixels, limit_seconds=limit_seconds)
    if requests.state(name).is_open:
        threading.Thread(target=_start_engine_for, args=(requests, name), daemon=True).start()
    return name


def start_engine_early(requests: InferenceRequests) -> None:
    """Start an engine in the background, before the first request; returns at once."""
    threading.Thread(target=_start_engine, args=(requests,), daemon=True).start()


def _start_engine_for(requests: InferenceRequests, name: str) -> None:
    refused = _start_engine(requests)
    if refused:
        requests.set_state(name, Stage.FAILED, message=refused)


def _start_engine(requests: InferenceRequests) -> str:
    """Why no engine could be started; empty where one is running."""
    try:
        ensure_engine(requests.installation.settings)
    except Exception as error:  # noqa: BLE001 (in a thread of its own: the page asks for the state of its request)
        log.warning("%s", in_words(error))
        return str(error) if isinstance(error, DpmedError) else f"The engine could not be started ({type(error).__name__}): see its log."
    return ""
