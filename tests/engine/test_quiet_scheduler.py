import asyncio

from distributed import Scheduler

from dpmed_core.engine.cluster import HEARTBEAT_SECONDS, LOOKED_FOR_IN_VAIN, MILLISECONDS_IN_VAIN, quiet_scheduler


def test_an_idle_scheduler_is_quiet(monkeypatch):
    """The names that this rests on are Dask's: another version of Dask that has others fails here, and not as time that nobody misses."""
    answer = {"status": "OK", "heartbeat-interval": 0.5, "time": 1.0}
    monkeypatch.setattr(Scheduler, "heartbeat_worker", lambda self, **_: answer)

    async def look():
        usual, quiet = (make(dashboard=False, dashboard_address="127.0.0.1:0", port=0) for make in (Scheduler, quiet_scheduler()))
        assert usual.periodic_callbacks.keys() >= LOOKED_FOR_IN_VAIN
        assert {quiet.periodic_callbacks[name].callback_time for name in LOOKED_FOR_IN_VAIN} == {MILLISECONDS_IN_VAIN}
        assert quiet.heartbeat_worker(address="tcp://127.0.0.1:1", metrics={}) == {**answer, "heartbeat-interval": HEARTBEAT_SECONDS}
        assert quiet.handlers["heartbeat_worker"].__self__ is quiet, "workers ask this method"
        assert quiet.idle_timeout is None and quiet.no_workers_timeout is None, "nothing is looked for that could be found late"
        for scheduler in (usual, quiet):
            await scheduler.close()

    asyncio.run(look())
