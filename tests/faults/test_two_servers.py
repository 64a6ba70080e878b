"""Two servers on one data folder: their keepers start one engine between them, and each run is trained once."""

import threading
from dataclasses import replace

from benchmarks.asked_while_ending import ask_while_ending
from dpmed_core.engine import process
from dpmed_core.engine.keeper import keeper
from dpmed_core.engine.process import engine_accepts
from dpmed_core.installation import Installation
from dpmed_core.settings import Settings


def test_two_keepers_start_one_engine(installation: Installation, settings: Settings, spec, monkeypatch) -> None:
    for seed in range(4):
        installation.runs.ask(replace(spec, seed=seed), cohort_name="images")
    started, lock = [], process.accepting_lock(settings)

    class Engine:
        pid = 1

        def poll(self) -> None:
            return None

    def start(_: Settings) -> Engine:
        started.append(1)
        lock.acquire()
        (settings.engine_dir / "address.json").write_text('{"pid": 1}')
        return Engine()

    monkeypatch.setattr(process, "_start", start)
    servers = [keeper(settings), keeper(settings)]
    for _ in range(3):
        looks = [threading.Thread(target=one.look) for one in servers]
        for look in looks:
            look.start()
        for look in looks:
            look.join()
    assert started == [1] and engine_accepts(settings) and not [one.faults() for one in servers if one.faults()]
    lock.release(force=True)


def test_what_two_callers_ask_while_the_engine_ends_is_done(data_dir, cohort, spec) -> None:
    installation = Installation.open(Settings(data_dir=data_dir, workers=1, engine_idle_seconds=0.1))
    n_started, longest = ask_while_ending(installation, spec, 12)
    assert 1 <= n_started <= 12 and longest < 60
