"""Faults of the machine: its disk, its clock, a key that is gone, processes that are stopped, two servers at once."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.running_installation import running, states_by_command, wait_until
from dpmed_core.engine.process import engine_accepts, engine_is_alive
from dpmed_core.runs.status import RunState

STEPS = "steps after the last checkpoint"
DAYS = 24 * 3600.0
DISK_MIB = 64


def _row(fault: str, sees: str, lost: str, seconds: float, spending: str) -> dict[str, object]:
    return {"fault": fault, "users see": sees, "lost": lost, "recovers in s": round(seconds, 1), "spending": spending}


@contextmanager
def _small_disk(folder: Path) -> Iterator[Path]:
    """A file system in memory of its own."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m,mode=0700", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def disk_full_scene(folder: Path) -> list[dict[str, object]]:
    """The disk fills up while a run trains, and is freed again."""
    with _small_disk(folder / "disk") as disk, running(disk) as one:
        one.start_engine()
        run_id = one.ask(8.0)
        one.wait_for_step(run_id)
        ballast = disk / "ballast"
        free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
        ballast.write_bytes(bytes(max(free - (1 << 20), 0)))
        wait_until(lambda: one.state(run_id) is not RunState.TRAINING, "the run's waiting")
        status = one.here.runs.status(run_id)
        events_before = len(one.here.runs.attempts(run_id))
        time.sleep(10)
        grown = len(one.here.runs.attempts(run_id)) - events_before
        looks = [one.command(*words).returncode for words in (["runs"], ["evaluate", "--cohort", "images"], ["ledger", "check"])]
        ballast.unlink()
        back = wait_until(lambda: one.state(run_id) in (RunState.TRAINING, RunState.FINISHED), "training again")
        one.wait_for_end(run_id)
        sees = f"{status.state.value}: {status.message}; commands that look end with {looks}; {grown} events in 10 s of a full disk"
        return [_row("disk full while training", sees, STEPS, back, one.spending(run_id))]


def read_only_scene(folder: Path) -> list[dict[str, object]]:
    """The disk becomes read-only while a run trains, and writable again."""
    with _small_disk(folder / "disk") as disk, running(disk) as one:
        one.start_engine()
        run_id = one.ask(8.0)
        one.wait_for_step(run_id)
        # Files that are open for writing keep a disk from being made read-only: a bind mount over it does not.
        subprocess.run(["mount", "--bind", str(disk), str(disk)], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", str(disk)], check=True)
        time.sleep(8)
        looks = [one.command(*words).returncode for words in (["runs"], ["evaluate", "--cohort", "images"], ["ledger", "show"])]
        asked = one.command("train", "--cohort", "images", "--recipe", "probe", "--epsilon", "1")
        subprocess.run(["umount", "-l", str(disk)], check=True)
        back = wait_until(lambda: one.state(run_id) in (RunState.TRAINING, RunState.FINISHED), "training again")
        one.wait_for_end(run_id)
        said = (asked.stderr or asked.stdout).strip().splitlines()[-1]
        sees = f"commands that look end with {looks}; `train` with {asked.returncode}: {said}"
        return [_row("disk read-only while training", sees, STEPS, back, one.spending(run_id))]


def key_scene(folder: Path) -> list[dict[str, object]]:
    """The key goes while an engine runs, then another one stands there, then the right one comes back."""
    found = []
    with running(folder) as one:
        one.start_engine()
        path = one.settings.data_dir / "secret.key"
        right = path.read_bytes()
        for number, (fault, wrong) in enumerate((("key lost", None), ("key of another installation", bytes(32)))):
            run_id = one.ask(8.0, seed=number)
            one.wait_for_step(run_id)
            path.unlink()
            if wrong is not None:
                path.write_bytes(wrong)
            said = one.command("runs")
            time.sleep(5)
            path.unlink(missing_ok=True)
            path.write_bytes(right)
            path.chmod(0o600)
            back = wait_until(lambda: one.command("runs").returncode == 0, "commands work")
            one.wait_for_end(run_id)
            sees = f"commands end with {said.returncode}: {said.stderr.strip().splitlines()[-1][:90]}…"
            found.append(_row(fault, sees, "nothing", back, one.spending(run_id)))
    return found


def clock_scene(folder: Path) -> list[dict[str, object]]:
    """The clock is set 400 days ahead and back while a run trains, an engine waits, and an import is interrupted."""
    found = []
    with running(folder, workers=2) as one:
        one.start_engine()
        for number, (fault, days) in enumerate(
            (("clock 400 days ahead", 400), ("clock back from there", 0), ("clock 400 days back", -400))
        ):
            run_id = one.ask(8.0, seed=number)
            one.wait_for_step(run_id)
            one.clock.write_text(str(days * DAYS))
            while_set = one.ask(4.0, seed=number)  # this process keeps its clock: whoever asks has another one than the engine
            for worker in one.workers():
                worker.kill()  # their successors connect, by certificate, under the clock that was set
            back = wait_until(
                lambda run_id=run_id: one.here.runs.status(run_id).step >= 1 or one.state(run_id) is RunState.FINISHED, "a step"
            )
            one.wait_for_end(run_id, while_set)
            states = states_by_command(one)
            sees = f"runs {sorted(set(states.values()))}; engine the same: {engine_accepts(one.settings)}"
            found.append(_row(f"{fault}, and workers killed then", sees, STEPS, back, one.spending(run_id, while_set)))
    return found


def stopped_scene(folder: Path) -> list[dict[str, object]]:
    """A worker and then the engine are stopped by a signal (SIGSTOP), with a short stall limit, and a server that watches."""
    with running(folder, stall_seconds=10.0) as one:
        one.start_server()
        one.start_engine()
        run_id = one.ask(8.0)
        one.wait_for_step(run_id)
        pid = next(int(path.stem) for path in (one.settings.engine_dir / "working").glob("*.json"))
        os.kill(pid, signal.SIGSTOP)
        began = time.monotonic()
        wait_until(lambda: any(event["event"] == "hung" for event in one.here.runs.attempts(run_id)), "the watchdog")
        attempt = one.here.runs.status(run_id).progress.attempt
        wait_until(
            lambda: one.here.runs.status(run_id).progress.attempt > attempt or one.state(run_id) is RunState.FINISHED, "another attempt"
        )
        of_worker = time.monotonic() - began
        one.wait_for_end(run_id)
        sees = "no step for some seconds, then training again"
        first = _row("worker stopped (stall limit 10 s)", sees, STEPS, of_worker, one.spending(run_id))
        second = one.ask(4.0)
        one.wait_for_step(second)
        stopped = one.engine_pid()
        os.kill(stopped, signal.SIGSTOP)
        began = time.monotonic()
        wait_until(lambda: engine_accepts(one.settings) and one.engine_pid() != stopped, "another engine")
        of_engine = time.monotonic() - began
        one.wait_for_end(second)
        return [first, _row("engine stopped", "runs stand still", STEPS, of_engine, one.spending(second))]


def two_servers_scene(folder: Path) -> list[dict[str, object]]:
    """Two servers on one data folder; runs are asked for, one server is killed, and then the engine."""
    with running(folder, engine_idle_seconds=5.0) as one:
        first, second = one.start_server(), one.start_server()
        runs = [one.ask(8.0), one.ask(4.0), one.ask(2.0, recipe="probe")]
        wait_until(lambda: engine_accepts(one.settings), "an engine")
        one.wait_for_step(runs[0])
        one.servers.pop(first).kill()
        os.kill(one.engine_pid(), signal.SIGKILL)
        wait_until(lambda: not engine_is_alive(one.settings), "the engine's death")
        back = wait_until(lambda: engine_accepts(one.settings), "another engine, by the other server")
        one.wait_for_end(*runs)
        answers = one.answers(second)
        trained = [sum(event["event"] == "finished" for event in one.here.runs.attempts(run_id)) for run_id in runs]
        sees = f"both answer; the other one still does: {answers}; each run finished {trained} times"
        return [_row("two servers on one folder, one and the engine killed", sees, STEPS, back, one.spending(*runs))]
