"""Processes that are killed (SIGKILL) at some moments; `python -m benchmarks process-kills` kills each kind at thirty."""

import multiprocessing
import os
import random
import signal
import threading
import time

import plotly.graph_objects as go
import psutil
import pytest

from dpmed_core.engine.training_task import work_on
from dpmed_core.errors import ExportError
from dpmed_core.installation import Installation
from dpmed_core.privacy.ledger.check import check_ledger
from dpmed_core.reporting.static_images import browser, picture
from dpmed_core.runs.status import RunState
from dpmed_core.settings import Settings
from tests.small_runs import N_STEPS, SteeredTrainer

pytestmark = pytest.mark.slow
KILLS = 4


def slowly(settings: Settings, run_id: str) -> None:
    """What a worker does, a tenth of a second a step."""
    work_on(settings, run_id, trainer=SteeredTrainer(at=lambda step: time.sleep(0.1)))


def test_a_worker_killed_at_any_moment_loses_no_more_than_the_steps_after_its_checkpoint(installation: Installation, cohort, spec) -> None:
    run_id, moments = installation.ledger.ask(cohort, [spec])[0].run_id, random.Random(0)
    context = multiprocessing.get_context("fork")
    for _ in range(KILLS):
        worker = context.Process(target=slowly, args=(installation.settings, run_id))
        worker.start()
        time.sleep(moments.uniform(0.05, 0.7))
        if worker.is_alive():
            os.kill(worker.pid, signal.SIGKILL)
        worker.join()
        assert installation.runs.attempts_record(run_id).is_whole
        if installation.runs.status(run_id).state is RunState.FINISHED:
            break
        installation.runs.record(run_id, "retry-asked")  # so that three deaths without a checkpoint are not held against it
    work_on(installation.settings, run_id, trainer=SteeredTrainer())
    assert installation.runs.status(run_id).state is RunState.FINISHED and not installation.runs.is_damaged(run_id)
    checkpoints = [event["step"] for event in installation.runs.attempts(run_id) if event["event"] == "checkpoint"]
    resumed = [event["step"] for event in installation.runs.attempts(run_id) if event["event"] == "resumed"]
    assert set(resumed) <= set(checkpoints) and max(checkpoints) == N_STEPS
    assert check_ledger(installation.ledger).problems == ()


@pytest.mark.skipif(browser() is None, reason="no browser draws pictures here")
@pytest.mark.parametrize("after", [0.5, 2.0])
def test_a_browser_killed_while_it_draws_gives_a_whole_picture_or_one_sentence(after: float) -> None:
    figure = go.Figure(go.Scatter(y=[1, 2, 3])).update_layout(width=400, height=300)

    def kill() -> None:
        time.sleep(after)
        for one in psutil.Process().children(recursive=True):
            if "chrom" in one.name().lower():
                one.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        assert picture(figure, "svg").rstrip().endswith(b"</svg>")
    except ExportError as error:
        assert "could not draw the picture" in str(error) and "\n" not in str(error)
    killer.join()
    assert picture(figure, "svg").rstrip().endswith(b"</svg>")
