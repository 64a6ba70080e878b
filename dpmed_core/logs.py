"""Logs: one JSON object a line, in files of bounded size, one file a process, and nothing of a patient in them.

Of an exception its class and the places in the code are written, never its text, and of a record by another library's logger the text
before its values were put in: both may hold values from patients' data, names of files or addresses.
"""

import json
import logging
import sys
import threading
import time
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import TracebackType

from filelock import FileLock, Timeout

MAX_BYTES, KEPT_FILES = 2_000_000, 3
"""Of each process's log: at this size it becomes NAME.log.1, and so on; older ones are removed."""
OWN = ("dpmed_core", "app", "widgets", "pages")
"""The loggers whose messages are ours, and hold nothing of a patient."""
MOST_SLOTS = 64


class JsonLines(logging.Formatter):
    """A record as one JSON object on one line: `time` (UTC), `level`, `process`, `pid`, `logger`, `message`, and `error` if any."""

    def __init__(self, process: str) -> None:
        """Format the records of the process of that name."""
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """The line, without a line break."""
        own = record.name.split(".")[0] in (*OWN, "__main__")
        text = record.getMessage() if own else str(record.msg)
        fields: dict[str, object] = {
            "time": f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03d}Z",
            "level": record.levelname,
            "process": self._process,
            "pid": record.process,
            "logger": record.name,
            "message": text if own else text.partition("\n")[0],
        }
        if record.exc_info and record.exc_info[0] is not None:
            fields["error"] = {"class": record.exc_info[0].__name__, "at": _places(record.exc_info[2])}
        return json.dumps(fields, ensure_ascii=False)


def log_to_file(folder: Path, name: str, *, echo: bool = False) -> None:
    """Write this process's log to `folder`/`name`.log, or to `name`-2.log and so on where another process writes there.

    Where the folder takes nothing, nothing is logged and nothing fails. Errors that nobody catches are logged, too, without their text.

    Args:
        folder: for logs; made where it is missing.
        name: of the process: server, engine, worker-0.
        echo: write warnings and errors to standard error as well.
    """
    logging.raiseExceptions = False  # a disk that is full must not fill what standard error goes to
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    if echo:
        shown = logging.StreamHandler()
        shown.setLevel(logging.WARNING)
        shown.setFormatter(JsonLines(name))
        root.addHandler(shown)
    for library in ("distributed", "asyncio", "uvicorn", "streamlit", "watchdog", "PIL", "matplotlib"):
        logging.getLogger(library).setLevel(logging.WARNING)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        root.addHandler(_handler(folder, name))
    except OSError:
        return
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda args: _log_uncaught(args.exc_type, args.exc_value, args.exc_traceback)


def _handler(folder: Path, name: str) -> logging.Handler:
    """A handler for the first file of that name that no other process writes to: two that rotate one file lose each other's lines."""
    for slot in range(1, MOST_SLOTS + 1):
        slotted = name if slot == 1 else f"{name}-{slot}"
        lock = FileLock(folder / f".{slotted}.log.lock", timeout=0)
        try:
            lock.acquire()
        except (Timeout, IsADirectoryError):
            continue
        handler = _Rotating(folder / f"{slotted}.log", maxBytes=MAX_BYTES, backupCount=KEPT_FILES, delay=True)
        handler.lock_file = lock  # held for as long as the handler lives; the system releases it when the process ends
        handler.setFormatter(JsonLines(slotted))
        return handler
    raise OSError(f"{MOST_SLOTS} processes write logs called {name}")


class _Rotating(RotatingFileHandler):
    """A rotating file with the lock that keeps other processes from it."""

    lock_file: FileLock


def _log_uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if issubclass(kind, Exception) and error is not None:
        logging.getLogger("dpmed_core").error("an error that nobody caught", exc_info=(kind, error, trace))


def _places(trace: TracebackType | None) -> list[str]:
    """File and line of each frame, the outermost first."""
    places = []
    while trace:
        places.append(f"{trace.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}")
        trace = trace.tb_next
    return places
