"""Duties that fail and are done again, and the keeper that is made of them."""

import asyncio
import logging
from itertools import pairwise

import pytest

import app
from dpmed_core.engine import keeper as keeper_module
from dpmed_core.engine.duties import FIRST_DELAY_SECONDS, LONGEST_DELAY_SECONDS, Duties
from dpmed_core.engine.health import LONGEST_SILENCE_SECONDS, live_checks, ready_checks
from dpmed_core.engine.keeper import keeper
from dpmed_core.errors import SettingsError


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_fault_is_logged_once_tried_again_ever_later_and_holds_up_no_other_duty(caplog):
    clock, tried, done = Clock(), [], []

    def fails():
        tried.append(clock.now)
        raise ValueError("patient Doe^Jane")

    duties = Duties({"broken": fails, "sound": lambda: done.append(clock.now)}, clock)
    for second in range(301):
        clock.now = float(second)
        duties.look()
    gaps = [after - before for before, after in pairwise(tried)]
    assert gaps[:6] == [FIRST_DELAY_SECONDS, 4.0, 8.0, 16.0, 32.0, LONGEST_DELAY_SECONDS] and set(gaps[5:]) == {LONGEST_DELAY_SECONDS}
    assert len(done) == 301
    assert [record.getMessage() for record in caplog.records] == [f"broken: {duties.faults()['broken']}"]
    assert duties.faults()["broken"].startswith("ValueError at test_duties.py:")


def test_another_fault_is_logged_again_and_an_end_of_faults_too(caplog):
    caplog.set_level(logging.INFO)
    clock, faults = Clock(), [SettingsError("First."), SettingsError("First."), SettingsError("Second."), None]

    def does():
        if (fault := faults.pop(0)) is not None:
            raise fault

    duties = Duties({"duty": does}, clock)
    for second in (0.0, 2.0, 6.0, 14.0):
        clock.now = second
        duties.look()
    assert [record.getMessage() for record in caplog.records] == ["duty: First.", "duty: Second.", "duty: works again"]
    assert duties.faults() == {}


def test_a_bad_file_does_not_end_the_keeper_and_runs_asked_for_later_get_an_engine(settings, installation, spec, monkeypatch):
    """The file stands for anything that a page or the engine cannot foresee."""
    started = []
    monkeypatch.setattr(keeper_module, "ensure_engine", started.append)
    listing = type(installation.runs).listing

    def unreadable(_, **__):
        raise KeyError("state")

    duties = keeper(settings)
    monkeypatch.setattr(type(installation.runs), "listing", unreadable)
    duties.look()
    assert duties.faults().keys() == {"engine"} and not started
    assert "duty: engine" in {check.name for check in ready_checks(settings, duties) if not check.ok}
    monkeypatch.setattr(type(installation.runs), "listing", listing)
    installation.runs.ask(spec, cohort_name="images")
    duties.look(at_once=True)
    assert started == [settings] and duties.faults() == {}


def test_the_server_goes_on_looking_where_no_thread_can_be_started(monkeypatch):
    looks = []

    async def no_thread(look):
        looks.append(look)
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("asyncio.to_thread", no_thread)
    monkeypatch.setattr(app, "LOOK_EVERY_SECONDS", 0.0)

    async def watched():
        task = asyncio.create_task(app._watch(Duties({})))
        while len(looks) < 3:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(watched())


def test_a_keeper_that_does_not_answer_is_not_live():
    clock = Clock()
    duties = Duties({}, clock)
    assert [check.ok for check in live_checks(duties)] == [True]
    clock.now = LONGEST_SILENCE_SECONDS + 60
    [check] = live_checks(duties)
    assert not check.ok and check.message == "The keeper has not answered for 4 minutes."
    duties.look()
    assert live_checks(duties)[0].ok
