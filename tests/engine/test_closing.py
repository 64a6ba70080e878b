"""Runs that are asked for while an idle engine ends: none of them stays queued."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from benchmarks.asked_while_ending import IDLE_SECONDS, ask_while_ending
from dpmed_core.engine import process
from dpmed_core.engine.process import engine_accepts, engine_is_alive
from dpmed_core.errors import EngineError
from dpmed_core.settings import Settings

N_ASKS = 40


@pytest.fixture
def settings(data_dir):
    return Settings(data_dir=data_dir, workers=1, engine_idle_seconds=IDLE_SECONDS)


def test_a_run_that_is_asked_for_while_the_engine_ends_is_not_left_queued(installation, spec):
    """Asked at moments around the idle limit, each run once, by somebody who does not come back to look."""
    n_started, _ = ask_while_ending(installation, spec, N_ASKS)
    assert 1 < n_started < N_ASKS, "some asks met an engine that took them, some one that ended"


def test_looking_at_an_engine_keeps_no_other_from_starting_and_is_not_taken_for_one(settings):
    with process.engine_lock(settings):  # makes the file
        assert engine_is_alive(settings)

    def look():
        return [engine_is_alive(settings) for _ in range(1000)]

    with ThreadPoolExecutor(4) as pool:
        assert not any(any(seen.result()) for seen in [pool.submit(look) for _ in range(4)])
        looks = [pool.submit(look) for _ in range(4)]
        for _ in range(20):
            with process.engine_lock(settings).acquire(timeout=process.LOCK_SECONDS):
                pass
        assert all(seen.result() for seen in looks)


@pytest.mark.parametrize(("codes", "n_started"), [([0, 0, None], 3), ([0, 0, 0], 3), ([1], 1), ([0, 1], 2)])
def test_an_engine_that_left_its_work_to_one_that_has_ended_is_followed_by_another(settings, monkeypatch, codes, n_started):
    started = []

    class Process:
        def __init__(self, code):
            self.code, self.pid = code, len(started) + 1

        def poll(self):
            return self.code

    def start(_):
        started.append(Process(codes[len(started)]))
        return started[-1]

    monkeypatch.setattr(process, "_start", start)
    monkeypatch.setattr(process, "address", lambda _: {"pid": started[-1].pid})
    monkeypatch.setattr(process, "engine_accepts", lambda _: bool(started) and started[-1].code is None)
    if codes[-1] is None:
        process.ensure_engine(settings)
    else:
        with pytest.raises(EngineError, match="could not be started"):
            process.ensure_engine(settings)
    assert len(started) == n_started


def test_looking_writes_nothing(settings):
    assert not engine_is_alive(settings) and not engine_accepts(settings)
    assert not settings.engine_dir.exists()
