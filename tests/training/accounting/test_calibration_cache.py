import json

import pytest

from dpmed_core.training.accounting import calibration_cache as calibrations
from dpmed_core.training.accounting.calibration_cache import remembered

QUESTION = {"epsilon": 1.0, "steps": 60}


@pytest.fixture
def counted(tmp_path):
    """Asks in one folder, and says how often was counted."""

    class Counted:
        times = 0
        folder = tmp_path / "calibrations"

        def ask(self, question=QUESTION):
            def count():
                self.times += 1
                return {"noise_multiplier": 7.5}

            return remembered(self.folder, question, count)

    return Counted()


def test_an_answer_is_counted_once(counted):
    assert counted.ask() == counted.ask() == {"noise_multiplier": 7.5}
    assert counted.times == 1


def test_another_question_is_counted(counted):
    counted.ask()
    counted.ask({**QUESTION, "steps": 61})
    assert counted.times == 2


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"question": {}, "answer": {"noise_multiplier": 0.1}}'])
def test_a_damaged_or_foreign_answer_is_counted_again_and_replaced(counted, damage):
    counted.ask()
    (path,) = counted.folder.iterdir()
    path.write_text(damage)
    assert counted.ask() == {"noise_multiplier": 7.5}
    assert json.loads(path.read_text())["answer"] == {"noise_multiplier": 7.5}


def test_another_version_of_an_accountant_counts_again(counted, monkeypatch):
    counted.ask()
    monkeypatch.setattr(calibrations, "version", lambda _: "99")
    counted.ask()
    assert counted.times == 2


def test_a_folder_that_cannot_be_written_costs_time_alone(counted):
    counted.folder.write_text("a file stands where the folder should be")
    assert counted.ask() == counted.ask() == {"noise_multiplier": 7.5}
    assert counted.times == 2
