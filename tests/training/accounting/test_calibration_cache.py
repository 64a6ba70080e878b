import json

import pytest

from dpmed_core.training.accounting import calibration_cache
from dpmed_core.training.accounting.calibration_cache import cached

REQUEST = {"epsilon": 1.0, "steps": 60}


@pytest.fixture
def cache(tmp_path):
    """Requests answers in one folder, and counts how often they were computed."""

    class Cache:
        n_computed = 0
        folder = tmp_path / "calibrations"

        def get(self, request=REQUEST):
            def compute():
                self.n_computed += 1
                return {"noise_multiplier": 7.5}

            return cached(self.folder, request, compute)

    return Cache()


def test_an_answer_is_computed_once(cache):
    assert cache.get() == cache.get() == {"noise_multiplier": 7.5}
    assert cache.n_computed == 1


def test_another_request_is_computed(cache):
    cache.get()
    cache.get({**REQUEST, "steps": 61})
    assert cache.n_computed == 2


def test_without_a_folder_an_answer_is_computed_each_time(cache):
    cache.folder = None
    assert cache.get() == cache.get() == {"noise_multiplier": 7.5}
    assert cache.n_computed == 2


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"question": {}, "answer": {"noise_multiplier": 0.1}}'])
def test_a_damaged_answer_or_one_to_another_request_is_computed_again_and_replaced(cache, damage):
    cache.get()
    (path,) = cache.folder.iterdir()
    path.write_text(damage)
    assert cache.get() == {"noise_multiplier": 7.5}
    assert json.loads(path.read_text())["answer"] == {"noise_multiplier": 7.5}


def test_another_version_of_an_accountant_computes_again(cache, monkeypatch):
    cache.get()
    monkeypatch.setattr(calibration_cache, "_running", lambda _: "99")
    cache.get()
    assert cache.n_computed == 2


def test_a_folder_that_cannot_be_written_costs_time_alone(cache):
    cache.folder.write_text("a file where the folder should be")
    assert cache.get() == cache.get() == {"noise_multiplier": 7.5}
    assert cache.n_computed == 2
