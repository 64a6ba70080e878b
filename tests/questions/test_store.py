"""Questions on disk: asked once, answered once, and gone with what they brought."""

import os
import time

import numpy as np
import pytest

from dpmed_core.errors import EngineError
from dpmed_core.questions.kinds import Explanation, OwnCase, PublicFeatures, from_json, to_json
from dpmed_core.questions.status import Stage
from dpmed_core.questions.store import LIFETIME_SECONDS, Questions

MODELS = (("a" * 16, "1" * 16),)
EXPLANATION = Explanation("films", "0" * 16, MODELS, "mass", "occlusion")
OWN = OwnCase("films", MODELS)


@pytest.mark.parametrize("question", [EXPLANATION, OWN, PublicFeatures("films", "v3")])
def test_a_question_comes_back_from_its_text(question):
    assert from_json(to_json(question)) == question


def test_the_same_explanation_is_asked_once_and_other_weights_are_another_question(questions, cohort):
    name = questions.ask(EXPLANATION)
    assert questions.ask(EXPLANATION) == name and questions.open_names() == [name]
    retrained = Explanation("films", "0" * 16, (("a" * 16, "2" * 16),), "mass", "occlusion")
    assert questions.ask(retrained) != name and len(questions.open_names()) == 2


def test_a_lasting_answer_lies_with_its_cohort_and_goes_with_it(questions, cohort):
    name = questions.ask(EXPLANATION)
    questions.store_answer(name, EXPLANATION, {"maps": np.ones(3)})
    assert questions.state(name).stage is Stage.ANSWERED and questions.open_names() == []
    assert np.array_equal(questions.known_answer(EXPLANATION)["maps"], np.ones(3))
    questions.withdraw(name)
    assert questions.ask(EXPLANATION) == name and questions.open_names() == []  # known: nobody computes it again
    questions.installation.remove_cohort("films")
    assert questions.known_answer(EXPLANATION) is None


def test_a_case_from_outside_leaves_nothing_once_its_answer_was_fetched(questions, cohort):
    name = questions.ask(OWN, pixels=np.full((4, 4), 9, np.uint8))
    assert (questions.pixels(name) == 9).all()
    assert (questions.root / name).stat().st_mode & 0o777 == 0o700
    questions.store_answer(name, OWN, {"scores": np.zeros(1)})
    assert questions.fetch(name)["scores"] == 0
    assert list(questions.root.iterdir()) == [] and not questions.installation.cohorts.answers_dir("films").exists()


def test_two_cases_from_outside_are_two_questions(questions, cohort):
    assert questions.ask(OWN, pixels=np.zeros((4, 4))) != questions.ask(OWN, pixels=np.zeros((4, 4)))


def test_a_cancelled_question_is_neither_open_nor_wanted(questions, cohort):
    name = questions.ask(EXPLANATION)
    assert questions.is_wanted(name)
    questions.cancel(name)
    assert questions.state(name).stage is Stage.CANCELLED and questions.open_names() == [] and not questions.is_wanted(name)
    assert questions.ask(EXPLANATION) == name and questions.is_wanted(name)


def test_a_question_expires_with_a_sentence_where_nobody_answers(questions, cohort):
    name = questions.ask(EXPLANATION, limit_seconds=0.0)
    time.sleep(0.01)
    state = questions.state(name)
    assert state.stage is Stage.EXPIRED and "engine is not running" in state.message and questions.open_names() == []


def test_an_engine_that_cannot_start_is_said_at_once(installation, cohort, monkeypatch):
    def refuse(settings):
        raise EngineError("The training engine could not be started: see engine.log.")

    monkeypatch.setattr("dpmed_core.questions.store.ensure_engine", refuse)
    questions = Questions(installation)
    name = questions.ask(EXPLANATION)
    for _ in range(200):
        if not questions.state(name).is_open:
            break
        time.sleep(0.01)
    assert questions.state(name).stage is Stage.FAILED and "could not be started" in questions.state(name).message


def test_what_nobody_fetched_is_cleared_after_its_time(questions, cohort):
    name = questions.ask(OWN, pixels=np.zeros((4, 4)))
    past = time.time() - LIFETIME_SECONDS - 1
    os.utime(questions.root / name, (past, past))
    questions.ask(EXPLANATION)
    assert not (questions.root / name).exists() and questions.state(name).stage is Stage.CANCELLED
