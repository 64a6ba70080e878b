"""Finding and starting the engine, a separate process that outlives the one that started it."""

import json
import subprocess
import sys
import time

from filelock import FileLock, Timeout

from dpmed_core.errors import EngineError
from dpmed_core.settings import Settings, settings_environment

START_SECONDS = 120
MAX_LOG_BYTES = 5_000_000


def engine_lock(settings: Settings) -> FileLock:
    """The lock that the engine holds while it runs; the operating system releases it when the engine dies."""
    settings.engine_dir.mkdir(parents=True, exist_ok=True)
    return FileLock(settings.engine_dir / "engine.lock", timeout=0)


def engine_is_alive(settings: Settings) -> bool:
    """Whether an engine is running for this data folder."""
    try:
        with engine_lock(settings):
            return False
    except Timeout:
        return True


def ensure_engine(settings: Settings) -> None:
    """Start an engine for this data folder unless one is running; of several callers at once, one starts it.

    Raises:
        EngineError: the engine could not be started.
    """
    if engine_is_alive(settings):
        return
    # A second lock, held by callers: the engine takes its own only some time after its process was started.
    with FileLock(settings.engine_dir / "starting.lock"):
        if engine_is_alive(settings):
            return
        process = _start(settings)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            # The pid distinguishes the new engine's address from one that an earlier engine has left.
            if (address(settings) or {}).get("pid") == process.pid and engine_is_alive(settings):
                return
            if process.poll() is not None:
                break
            time.sleep(0.05)
    raise EngineError("The engine could not be started: see engine/engine.log in the data folder.")


def address(settings: Settings) -> dict[str, object] | None:
    """The pid and the scheduler's address that the last engine wrote; None where none has run."""
    path = settings.engine_dir / "address.json"
    return dict(json.loads(path.read_text())) if path.exists() else None


def _start(settings: Settings) -> "subprocess.Popen[bytes]":
    log_path = settings.engine_dir / "engine.log"
    if log_path.exists() and log_path.stat().st_size > MAX_LOG_BYTES:
        log_path.replace(log_path.with_suffix(".log.1"))
    with log_path.open("ab") as log_file:
        return subprocess.Popen(
            [sys.executable, "-m", "dpmed_core", "engine"],
            env=settings_environment(settings),
            stdin=subprocess.DEVNULL,
            stdout=log_file,
            stderr=log_file,
            start_new_session=True,  # Ctrl-C in the terminal of a command or server does not end the engine
        )
