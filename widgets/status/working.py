"""Who works: engine, workers and queue, renewed while the page is open."""

import time
from datetime import UTC, datetime

import pandas as pd
import streamlit as st

from dpmed_core.doctor.state import EngineState, WorkerState, WorkingState
from dpmed_core.foreign_text import plain
from dpmed_core.phrases import bytes_in_words, counted, duration_in_words
from widgets.html_numbers import Number, show_numbers
from widgets.html_table import show_table

ENGINE_NEXT = {
    "running": "takes work",
    "ending": "another starts when there is work",
    "starting": "within two minutes",
    "not running": "starts when there is work",
}


def show_working(state: WorkingState) -> None:
    """The engine, what waits, and what each worker does."""
    numbers = [
        Number("Engine", state.engine.state, ENGINE_NEXT[state.engine.state]),
        Number("Runs in training", f"{state.n_training:,}"),
        Number("Runs queued", f"{state.n_queued:,}", _oldest(state)),
        Number("Free on the disk", bytes_in_words(state.free_bytes)),
    ]
    show_numbers(numbers)
    st.caption(plain(f"{_process(state.engine)} {counted(state.n_requests, 'request is', 'requests are')} open."))
    if state.workers:
        show_table(pd.DataFrame([_row(worker) for worker in state.workers]), label="Workers")


def _oldest(state: WorkingState) -> str:
    return f"the oldest for {duration_in_words(time.time() - state.oldest_queued_at)}" if state.oldest_queued_at else ""


def _process(engine: EngineState) -> str:
    """Where the engine runs."""
    if engine.pid is None:
        return "No engine process."
    since = f", since {datetime.fromtimestamp(engine.since, UTC):%Y-%m-%d %H:%M} UTC" if engine.since else ""
    return f"Engine: process {engine.pid} on {engine.host or 'an unknown machine'}{since}."


def _row(worker: WorkerState) -> dict[str, object]:
    return {
        "Works on": f"{worker.kind} {worker.name}",
        "Step": f"{worker.step:,} of {worker.total_steps:,}" if worker.total_steps else "",
        "For": duration_in_words(worker.seconds),
        "Process": str(worker.pid),
        "Machine": worker.host,
    }
