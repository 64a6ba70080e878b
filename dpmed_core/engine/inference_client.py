"""Asking for inference: the request is written down first, then an engine is started in the background if none runs."""

import logging
import threading

import numpy as np
from numpy.typing import NDArray

from dpmed_core.engine.process import ensure_engine
from dpmed_core.errors import DpmedError
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
    """Write `question` down, unless the same is open or answered, and see to it that an engine answers; the question's name.

    Args:
        questions: where it is written.
        question: what is asked.
        pixels: a case from outside.
        limit_seconds: after so long nobody wants the answer any more.
    """
    name = requests.ask(request, pixels=pixels, limit_seconds=limit_seconds)
    if requests.state(name).is_open:
        threading.Thread(target=_start_engine_for, args=(requests, name), daemon=True).start()
    return name


def start_engine_early(requests: InferenceRequests) -> None:
    """Have an engine running by the time somebody asks; returns at once."""
    threading.Thread(target=_start_engine, args=(requests,), daemon=True).start()


def _start_engine_for(requests: InferenceRequests, name: str) -> None:
    refused = _start_engine(requests)
    if refused:
        requests.set_state(name, Stage.FAILED, message=refused)


def _start_engine(requests: InferenceRequests) -> str:
    """Why no engine could be started; empty where one runs."""
    try:
        ensure_engine(requests.installation.settings)
    except DpmedError as error:
        log.warning("%s", error)
        return str(error)
    return ""
