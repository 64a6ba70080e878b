"""Finding and starting the engine; it is a process of its own and outlives whoever started it."""

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
    """The lock that the engine holds while it lives; the operating system frees it when it dies."""
    settings.engine_dir.mkdir(parents=True, exist_ok=True)
    return FileLock(settings.engine_dir / "engine.lock", timeout=0)


def engine_is_alive(settings: Settings) -> bool:
    """Whether an engine works for this data folder."""
    try:
        with engine_lock(settings):
            return False
    except Timeout:
        return True


def ensure_engine(settings: Settings) -> None:
    """See to it that an engine works for this data folder; several callers at once start one.

    Raises:
        EngineError: none could be started.
    """
    if engine_is_alive(settings):
        return
    with FileLock(settings.engine_dir / "starting.lock"):
        if engine_is_alive(settings):
            return
        process = _start(settings)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if (address(settings) or {}).get("pid") == process.pid and engine_is_alive(settings):
                return
            if process.poll() is not None:
                break
            time.sleep(0.05)
    raise EngineError("The training engine could not be started: see engine.log in the data folder's engine folder.")


def address(settings: Settings) -> dict[str, object] | None:
    """What the engine last said of itself: pid and scheduler address; None where none ever ran."""
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
            start_new_session=True,
        )
