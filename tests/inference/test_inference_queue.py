"""An inference request goes ahead of training while every training worker is busy."""

import os
import signal
import time

import numpy as np
import pytest

from dpmed_core.engine import inference_client
from dpmed_core.engine.process import address, engine_is_alive
from dpmed_core.inference.requests import Explanation, UploadedCase
from dpmed_core.inference.status import Stage
from dpmed_core.inference.store import InferenceRequests
from dpmed_core.runs.plan import plan_runs
from dpmed_core.runs.status import RunState
from dpmed_core.training.spec import PrivacyUnit

LONGEST_SECONDS = 400
"""What a busy machine may take; nothing here measures speed."""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:subprocess [0-9]+ is still running:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in. .function Popen.__del__:pytest.PytestUnraisableExceptionWarning"),
]


def wait_until(condition, what):
    deadline = time.monotonic() + LONGEST_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {LONGEST_SECONDS} s"
        time.sleep(0.02)


@pytest.fixture
def engine(installation):
    yield InferenceRequests(installation)
    if engine_is_alive(installation.settings):
        os.kill(address(installation.settings)["pid"], signal.SIGTERM)
        wait_until(lambda: not engine_is_alive(installation.settings), "the engine's end")


def test_requests_start_an_engine_and_are_answered_while_every_training_worker_trains(engine, installation, cohort, models, held_out):
    options = {"recipe": "paper", "epsilons": [2.0, 4.0, 6.0], "n_seeds": 1, "delta": None, "unit": PrivacyUnit.PATIENT}
    specs = plan_runs(cohort, key=installation.key, non_private=False, **options)
    trainings = [installation.runs.ask(spec, cohort_name="images").run_id for spec in specs]

    def training():
        return sum(installation.runs.status(run_id).state is RunState.TRAINING for run_id in trainings)

    first = inference_client.ask(engine, UploadedCase("images", models), pixels=np.array(cohort.images[held_out[0]]))
    wait_until(lambda: engine.state(first).stage is Stage.ANSWERED, "the first answer")
    wait_until(lambda: training() == 2, "two trainings")
    request = Explanation("images", cohort.cases["case_id"].iloc[held_out[0]], models, "mass", "grad-cam")
    inference_client.ask(engine, request)
    wait_until(lambda: engine.known_answer(request) is not None, "the explanation")
    assert training() == 2  # none of them ended or stepped aside for it
    for run_id in trainings:
        installation.runs.cancel(run_id)
