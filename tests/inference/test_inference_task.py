"""What a worker computes for inference requests, without an engine."""

import numpy as np
import pytest

from dpmed_core.explanations.map_similarity import rank_correlation
from dpmed_core.inference.requests import Explanation, UploadedCase
from dpmed_core.inference.status import Stage


def test_an_explanation_has_a_map_for_each_model_and_one_for_random_weights(requests, cohort, models, held_out, answered):
    case = cohort.cases["case_id"].iloc[held_out[0]]
    request = Explanation("images", case, models, "nodule", "grad-cam")
    answered(requests.ask(request))
    answer = requests.known_answer(request)
    assert answer["maps"].shape == (3, 64, 64) and np.isfinite(answer["maps"]).all()
    assert not np.allclose(answer["maps"][0], answer["maps"][1])
    assert answer["with_random"] == pytest.approx([rank_correlation(one, answer["maps"][2]) for one in answer["maps"][:2]])
    for (run_id, _), score in zip(models, answer["scores"], strict=True):
        stored = requests.installation.runs.scores(run_id)
        assert score == pytest.approx(stored[(stored["case_id"] == case) & (stored["finding"] == "nodule")]["score"].item(), abs=1e-6)


def test_the_copy_of_a_stored_case_gets_its_stored_scores(requests, cohort, models, held_out, answered):
    row = held_out[3]
    name = requests.ask(UploadedCase("images", models), pixels=np.array(cohort.images[row]))
    answered(name)
    answer = requests.fetch(name)
    for (run_id, _), scores in zip(models, answer["scores"], strict=True):
        stored = requests.installation.runs.scores(run_id)
        assert scores == pytest.approx(stored[stored["case_id"] == cohort.cases["case_id"].iloc[row]]["score"].to_numpy(), abs=1e-6)
    assert np.isfinite(answer["features"]).all()


def test_a_cancelled_request_is_not_computed(requests, cohort, models, answered, monkeypatch):
    monkeypatch.setattr("dpmed_core.engine.inference_task.rebuild", lambda stored: pytest.fail("computed nevertheless"))
    name = requests.ask(UploadedCase("images", models), pixels=np.zeros((128, 128), np.uint8))
    requests.cancel(name)
    answered(name)
    assert requests.state(name).stage is Stage.CANCELLED


def test_a_request_that_is_cancelled_stops_before_its_next_part(requests, cohort, models, answered, monkeypatch):
    begun = []
    name = requests.ask(UploadedCase("images", models), pixels=np.zeros((128, 128), np.uint8))

    def cancel_meanwhile(stored):
        begun.append(stored)
        requests.cancel(name)
        raise_if_second = len(begun) < 2
        assert raise_if_second
        return type("Model", (), {"score": staticmethod(lambda images: np.zeros((1, 2))), "score_features": None})

    monkeypatch.setattr("dpmed_core.engine.inference_task.rebuild", cancel_meanwhile)
    answered(name)
    assert len(begun) == 1 and requests.state(name).stage is Stage.CANCELLED


def test_a_missing_case_and_an_unknown_method_become_sentences(requests, cohort, models, answered):
    gone = Explanation("images", "f" * 16, models, "mass", "occlusion")
    unknown = Explanation("images", cohort.cases["case_id"].iloc[0], models, "mass", "tea-leaves")
    for request, word in ((gone, "no longer in the cohort"), (unknown, "no method of explanation")):
        name = requests.ask(request)
        answered(name)
        assert requests.state(name).stage is Stage.FAILED and word in requests.state(name).message
