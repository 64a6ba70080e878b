"""Waiting for the engine's answer to a question: how far it is, a way to stop, and words for every end."""

from collections.abc import Callable

import numpy as np
import streamlit as st

from dpmed_core.engine import inference_client
from dpmed_core.inference.requests import InferenceRequest
from dpmed_core.inference.status import RequestState, Stage
from dpmed_core.inference.store import Answer, InferenceRequests
from widgets.lookup import installation

LOOK_EVERY_SECONDS = 0.3
PATIENCE_SECONDS = 8.0
"""After so long the page says what may be the reason."""


def requests() -> InferenceRequests:
    """The questions of this installation."""
    return InferenceRequests(installation())


def get_ready() -> None:
    """Have the engine started, once a session, where a reader is about to ask: it takes seconds."""
    if not st.session_state.get("engine-called"):
        st.session_state["engine-called"] = True
        inference_client.start_engine_early(requests())


def ask(request: InferenceRequest, *, key: str, pixels: "np.ndarray | None" = None) -> None:
    """Ask, and remember under `key` which question this reader waits for."""
    st.session_state[_kept(key)] = inference_client.ask(requests(), request, pixels=pixels)


def is_waiting(key: str) -> bool:
    """Whether this reader waits for an answer under `key`."""
    return _kept(key) in st.session_state


def wait(key: str, *, what: str, take: Callable[[Answer], None]) -> None:
    """Show how far the question under `key` is; `take` gets its answer, and the page is drawn anew.

    Args:
        key: the question's, as it was asked.
        what: that is being done, in words.
        take: what to do with the answer.
    """

    @st.fragment(run_every=LOOK_EVERY_SECONDS)
    def look() -> None:
        name = st.session_state.get(_kept(key))
        if name is None:
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

    look()


def show_failure(key: str) -> None:
    """Why the last question under `key` has no answer, said once."""
    message = st.session_state.pop(f"failed-{key}", None)
    if message:
        st.error(message, icon=":material/error:")


def stop_waiting(key: str) -> None:
    """Wait no longer under `key`; the question is withdrawn with everything that came with it."""
    name = st.session_state.pop(_kept(key), None)
    if name is not None:
        requests().cancel(name)
        requests().withdraw(name)


def _show_progress(state: RequestState, what: str) -> None:
    if state.stage is Stage.WORKING:
        st.progress(state.done / max(state.total, 1), f"{what}: {state.done} of {state.total} parts")
        return
    st.progress(0.0, f"{what}: waiting for the engine")
    if state.waited_seconds > PATIENCE_SECONDS:
        st.caption("The engine is starting, or answers others first. Answers go ahead of training.")


def _kept(key: str) -> str:
    return f"question-{key}"
