"""Waiting for the answer to an inference request: its progress, a button that cancels it, and a message for every outcome."""

from collections.abc import Callable

import numpy as np
import streamlit as st

from dpmed_core.engine import inference_client
from dpmed_core.foreign_text import plain
from dpmed_core.inference.requests import InferenceRequest
from dpmed_core.inference.status import RequestState, Stage
from dpmed_core.inference.store import LIMIT_SECONDS, Answer, InferenceRequests
from widgets.lookup import guarded, installation

REFRESH_SECONDS = 0.3
PATIENCE_SECONDS = 8.0
"""The time after which the page says what the reason may be."""


def requests() -> InferenceRequests:
    """The inference requests of this installation."""
    return InferenceRequests(installation())


def get_ready() -> None:
    """Start the engine, once per session, where a reader is about to make a request: it takes seconds."""
    if not st.session_state.get("engine-called"):
        st.session_state["engine-called"] = True
        inference_client.start_engine_early(requests())


def ask(request: InferenceRequest, *, key: str, pixels: "np.ndarray | None" = None, limit_seconds: float = LIMIT_SECONDS) -> None:
    """Make a request, and remember under `key` that this session waits for its answer, for at most `limit_seconds`."""
    st.session_state[_kept(key)] = inference_client.ask(requests(), request, pixels=pixels, limit_seconds=limit_seconds)


def is_waiting(key: str) -> bool:
    """Whether this session waits for an answer under `key`."""
    return _kept(key) in st.session_state


def wait(key: str, *, what: str, take: Callable[[Answer], None]) -> None:
    """Show the progress of the request under `key`; `take` gets its answer, and the page is then redrawn.

    Args:
        key: of the request, as in `ask`.
        what: what is being computed, in words.
        take: receives the answer.
    """

    @st.fragment(run_every=REFRESH_SECONDS)
    @guarded
    def progress() -> None:
        """The progress of an open request; the end of one that is not open."""
        name = st.session_state.get(_kept(key))
        if name is None:  # a refresh that was under way when the answer came
            return
        state = requests().state(name)
        if state.is_open:
            _show_progress(state, what)
            if st.button("Stop", key=f"stop-{key}", icon=":material/cancel:"):
                requests().cancel(name)
                stop_waiting(key)
                st.rerun()
            return
        if state.stage is Stage.ANSWERED and (answer := requests().fetch(name)) is not None:
            take(answer)
        elif state.message:
            st.session_state[f"failed-{key}"] = state.message
        st.session_state.pop(_kept(key), None)
        st.rerun()

    progress()


def show_failure(key: str) -> None:
    """Show once why the last request under `key` has no answer."""
    message = st.session_state.pop(f"failed-{key}", None)
    if message:
        st.error(plain(message), icon=":material/error:")


def stop_waiting(key: str) -> None:
    """Wait no longer under `key`; the request is removed with everything stored with it."""
    name = st.session_state.pop(_kept(key), None)
    if name is not None:
        requests().cancel(name)
        requests().withdraw(name)


def _show_progress(state: RequestState, what: str) -> None:
    if state.stage is Stage.WORKING:
        st.progress(state.done / max(state.total, 1), f"{plain(what)}: {state.done} of {state.total} parts")
        return
    st.progress(0.0, f"{plain(what)}: waiting for the engine")
    if state.waited_seconds > PATIENCE_SECONDS:
        st.caption("The engine is starting, or other requests are answered first. Requests go ahead of training.")


def _kept(key: str) -> str:
    return f"request-{key}"
