"""Inference requests on disk: stored once, answered once, and removed with everything stored with them."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from dpmed_core.engine import inference_client
from dpmed_core.errors import EngineError
from dpmed_core.inference.requests import Explanation, PublicFeatures, UploadedCase, from_json, to_json
from dpmed_core.inference.status import Stage
from dpmed_core.inference.store import LIFETIME_SECONDS, InferenceRequests
from tests.damage import ANY

MODELS = (("a" * 16, "1" * 16),)
EXPLANATION = Explanation("images", "0" * 16, MODELS, "mass", "occlusion")
UPLOADED = UploadedCase("images", MODELS)


@pytest.mark.parametrize("asked", [EXPLANATION, UPLOADED, PublicFeatures("images", "v3")])
def test_a_request_comes_back_from_its_text(asked):
    assert from_json(to_json(asked)) == asked


def test_the_same_explanation_is_one_request_and_other_weights_are_another(requests, cohort):
    name = requests.ask(EXPLANATION)
    assert requests.ask(EXPLANATION) == name and requests.open_names() == [name]
    retrained = Explanation("images", "0" * 16, (("a" * 16, "2" * 16),), "mass", "occlusion")
    assert requests.ask(retrained) != name and len(requests.open_names()) == 2


def test_many_who_ask_for_the_same_explanation_at_once_share_one_request(requests, cohort):
    barrier = threading.Barrier(12)

    def ask(_):
        barrier.wait()
        return requests.ask(EXPLANATION)

    with ThreadPoolExecutor(12) as pool:
        names = set(pool.map(ask, range(12)))
    assert requests.open_names() == list(names) and requests.request(names.pop()) == EXPLANATION


def test_a_kept_answer_is_stored_with_its_cohort_and_removed_with_it(requests, cohort):
    name = requests.ask(EXPLANATION)
    requests.store_answer(name, EXPLANATION, {"maps": np.ones(3)})
    assert requests.state(name).stage is Stage.ANSWERED and requests.open_names() == []
    assert np.array_equal(requests.known_answer(EXPLANATION)["maps"], np.ones(3))
    requests.withdraw(name)
    assert requests.ask(EXPLANATION) == name and requests.open_names() == []  # known: not computed again
    requests.installation.remove_cohort("images")
    assert requests.known_answer(EXPLANATION) is None


def test_an_uploaded_case_leaves_nothing_once_its_answer_was_fetched(requests, cohort):
    name = requests.ask(UPLOADED, pixels=np.full((4, 4), 9, np.uint8))
    assert (requests.pixels(name) == 9).all()
    assert (requests.root / name).stat().st_mode & 0o777 == 0o700
    requests.store_answer(name, UPLOADED, {"scores": np.zeros(1)})
    assert requests.fetch(name)["scores"] == 0
    assert list(requests.root.iterdir()) == [] and not requests.installation.cohorts.answers_dir("images").exists()


def test_two_uploaded_cases_are_two_requests(requests, cohort):
    assert requests.ask(UPLOADED, pixels=np.zeros((4, 4))) != requests.ask(UPLOADED, pixels=np.zeros((4, 4)))


def test_a_cancelled_request_is_neither_open_nor_wanted(requests, cohort):
    name = requests.ask(EXPLANATION)
    assert requests.is_wanted(name)
    requests.cancel(name)
    assert requests.state(name).stage is Stage.CANCELLED and requests.open_names() == [] and not requests.is_wanted(name)
    assert requests.ask(EXPLANATION) == name and requests.is_wanted(name)


def test_a_request_without_an_answer_expires_with_a_sentence(requests, cohort):
    name = requests.ask(EXPLANATION, limit_seconds=0.0)
    time.sleep(0.01)
    state = requests.state(name)
    assert state.stage is Stage.EXPIRED and "engine is not running" in state.message and requests.open_names() == []


def test_an_engine_that_cannot_start_is_reported_at_once(installation, cohort, monkeypatch):
    def refuse(settings):
        raise EngineError("The engine could not be started: see engine.log.")

    monkeypatch.setattr("dpmed_core.engine.inference_client.ensure_engine", refuse)
    requests = InferenceRequests(installation)
    name = inference_client.ask(requests, EXPLANATION)
    for _ in range(6000):  # a minute at most, on a busy machine
        if not requests.state(name).is_open:
            break
        time.sleep(0.01)
    assert requests.state(name).stage is Stage.FAILED and "could not be started" in requests.state(name).message


def test_a_request_whose_answer_is_not_fetched_is_removed_in_time(requests, cohort):
    name = requests.ask(UPLOADED, pixels=np.zeros((4, 4)))
    past = time.time() - LIFETIME_SECONDS - 1
    os.utime(requests.root / name, (past, past))
    requests.ask(EXPLANATION)
    assert not (requests.root / name).exists() and requests.state(name).stage is Stage.CANCELLED


@pytest.mark.parametrize("file", ["state.json", "request.json"])
@pytest.mark.parametrize("how", [how for how in ANY if how not in ("another's", "deleted")])
def test_a_request_that_cannot_be_read_has_failed_and_the_others_go_on(requests, cohort, file, how):
    damaged, other = requests.ask(UPLOADED), requests.ask(EXPLANATION)
    ANY[how](requests.root / damaged / file, requests.root / other / file)
    assert requests.open_names() == [other]
    assert requests.state(damaged).stage is Stage.FAILED and "ask again" in requests.state(damaged).message
    assert requests.fetch(damaged) is None
    requests.withdraw(damaged)
    assert requests.state(damaged).stage is Stage.CANCELLED
