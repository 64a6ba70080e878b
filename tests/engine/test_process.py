import os
import signal
import threading
import time

import pytest

from dpmed_core.cohort.schema import Part
from dpmed_core.engine.process import address, engine_is_alive, ensure_engine
from dpmed_core.runs.checkpoint_file import checkpoint_bytes
from dpmed_core.runs.folder import CHECKPOINT
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
        time.sleep(0.05)


@pytest.fixture
def engine_settings(settings):
    yield settings
    if engine_is_alive(settings):
        os.kill(address(settings)["pid"], signal.SIGTERM)
        wait_until(lambda: not engine_is_alive(settings), "the engine's end")


def ask(installation, cohort, recipe, epsilons):
    options = {"recipe": recipe, "epsilons": epsilons, "n_seeds": 1, "delta": None, "unit": PrivacyUnit.PATIENT}
    specs = plan_runs(cohort, key=installation.key, non_private=False, **options)
    return [installation.runs.ask(spec, cohort_name=cohort.name).run_id for spec in specs]


def test_one_engine_trains_what_was_asked_survives_its_killing_and_ends_when_nothing_is_left(engine_settings, installation, cohort):
    """Six callers at once start one engine; it is killed between two checkpoints, a second one resumes and then ends by itself."""
    probe, paper = ask(installation, cohort, "probe", [8.0]) + ask(installation, cohort, "paper", [8.0])
    threads = [threading.Thread(target=ensure_engine, args=(engine_settings,)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    killed = address(engine_settings)["pid"]
    ensure_engine(engine_settings)
    assert address(engine_settings)["pid"] == killed
    # The file, and not the event, which is recorded before it: a kill between the two leaves nothing to resume from.
    wait_until(lambda: checkpoint_bytes(installation.runs.root / paper / CHECKPOINT) > 0, "a checkpoint")
    assert_is_trained(installation, probe)
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: not engine_is_alive(engine_settings), "the engine's death")
    ensure_engine(engine_settings)
    assert address(engine_settings)["pid"] != killed
    wait_until(lambda: installation.runs.status(paper).state is RunState.FINISHED, "the run's end")
    assert_was_resumed(installation, paper)
    wait_until(lambda: not engine_is_alive(engine_settings), "the idle engine's end")


def events(installation, run_id):
    return [event["event"] for event in installation.runs.attempts(run_id)]


def assert_is_trained(installation, run_id):
    """The run is real: a public encoder, a private head, scores of held-out patients."""
    assert installation.runs.status(run_id).state is RunState.FINISHED
    result, scores = installation.runs.result(run_id), installation.runs.scores(run_id)
    assert result.guarantee.epsilon <= 8 and result.guarantee.unit is PrivacyUnit.PATIENT
    assert set(scores["split"]) == {Part.VALIDATION.value, Part.TEST.value}
    assert events(installation, run_id) == ["started", "planned", "charged", "finished"]


def assert_was_resumed(installation, run_id):
    """The run was started twice, finished once, and no step that a checkpoint held was taken again."""
    names = events(installation, run_id)
    assert names.count("started") == names.count("resumed") + 1 == 2
    assert names.count("finished") == 1
    attempts = installation.runs.attempts(run_id)
    planned = {event["total_steps"] for event in attempts if event["event"] == "planned"}
    assert planned == {installation.runs.result(run_id).guarantee.steps}
    checkpoints = [event["step"] for event in attempts if event["event"] == "checkpoint"]
    assert checkpoints == sorted(set(checkpoints)) and checkpoints[-1] in planned
