"""Finding and starting the engine, a separate process that outlives the one that started it.

Two locks. `engine.lock` is held by the engine for as long as it lives. `accepting.lock` is held while it still takes work: an engine with
nothing to do releases it first and then looks at the stores once more. Whoever asks stores the request first and then looks at that lock.
So a lock that is held means that the engine will see the request, and one that is free that another engine is to be started, which waits
until the ending one is gone. No order of these steps leaves a request that nobody sees.
"""

import fcntl
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from filelock import FileLock, Timeout

from dpmed_core.errors import EngineError, StorageError
from dpmed_core.files import lock_at, storage_reason
from dpmed_core.settings import Settings, settings_environment

START_SECONDS = 120
MOST_STARTS = 3
"""How often an engine is started that finds another one at work, which has ended when somebody looks."""
MAX_STDERR_BYTES = 1_000_000
LOCK_SECONDS = 10.0
"""How long the engine tries to take a lock that is its own: others hold it for an instant when they look at it."""
NOT_STARTED = "The engine could not be started: see engine/engine.log in the data folder."


def engine_lock(settings: Settings) -> FileLock:
    """The lock that the engine holds while it runs; the operating system releases it when the engine dies."""
    settings.engine_dir.mkdir(parents=True, exist_ok=True)
    return lock_at(settings.engine_dir / "engine.lock")


def accepting_lock(settings: Settings) -> FileLock:
    """The lock that the engine holds while it takes work."""
    return lock_at(settings.engine_dir / "accepting.lock", timeout=LOCK_SECONDS)


def engine_is_alive(settings: Settings) -> bool:
    """Whether an engine is running for this data folder; it may be ending."""
    return _is_held(settings.engine_dir / "engine.lock")


def engine_accepts(settings: Settings) -> bool:
    """Whether an engine is running for this data folder that will see what is stored now."""
    return _is_held(settings.engine_dir / "accepting.lock")


def engine_is_starting(settings: Settings) -> bool:
    """Whether somebody is starting an engine for this data folder."""
    return _is_held(settings.engine_dir / "starting.lock")


def ensure_engine(settings: Settings) -> None:
    """Start an engine for this data folder unless one is taking work; of several callers at once, one starts it.

    Raises:
        EngineError: the engine could not be started.
        StorageError: the data folder takes nothing.
    """
    try:
        if engine_accepts(settings):
            return
        settings.engine_dir.mkdir(parents=True, exist_ok=True)
        # A third lock, held by callers: the engine takes its own only some time after its process was started.
        with lock_at(settings.engine_dir / "starting.lock", timeout=2 * START_SECONDS):
            if not engine_accepts(settings):
                _start_and_wait(settings)
    except Timeout:
        raise EngineError("Another process has been starting the engine for minutes: end it, or restart DPMed.") from None
    except OSError as error:
        if (reason := storage_reason(error)) is None:
            raise
        raise StorageError(f"The engine cannot be started: {reason}.") from None


def address(settings: Settings) -> dict[str, object] | None:
    """The pid and the scheduler's address that the last engine wrote; None where none has run, or where the file cannot be read."""
    try:
        return dict(json.loads((settings.engine_dir / "address.json").read_text()))
    except (OSError, ValueError, TypeError):  # emptied by a crash: the next engine writes it anew
        return None


def bound_stderr() -> None:
    """Empty what this process has written to its standard error, if that is a file that has grown too long."""
    if os.fstat(2).st_size > MAX_STDERR_BYTES:
        os.ftruncate(2, 0)


def _start_and_wait(settings: Settings) -> None:
    """Start an engine and wait until one takes work.

    Raises:
        EngineError: none does.
    """
    process, n_started = _start(settings), 1
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        # The pid distinguishes the new engine's address from one that an earlier engine has left.
        if (address(settings) or {}).get("pid") == process.pid and engine_accepts(settings):
            return
        if (ended := process.poll()) is not None:
            if engine_accepts(settings):  # started by hand or by another machine meanwhile
                return
            if ended or n_started == MOST_STARTS:
                break
            # It left the work to an engine that was about to end, and did end.
            process, n_started = _start(settings), n_started + 1
        time.sleep(0.05)
    raise EngineError(NOT_STARTED)


def _start(settings: Settings) -> "subprocess.Popen[bytes]":
    with (settings.engine_dir / "engine.err").open("ab") as errors:
        return subprocess.Popen(
            [sys.executable, "-m", "dpmed_core", "engine"],
            env=settings_environment(settings),
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=errors,
            start_new_session=True,  # Ctrl-C in the terminal of a command or server does not end the engine
        )


def _is_held(path: Path) -> bool:
    """Whether a process holds the lock `path`; looking writes nothing and keeps nobody from taking it for longer than an instant."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        # Shared: two that look at once must not take each other for the holder.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
