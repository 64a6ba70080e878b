"""Watching the engine from outside: one that has stopped (SIGSTOP, a deadlock) holds its lock, and nobody would start another."""

import logging
import os
import signal
import socket
import time
from collections.abc import Callable

import psutil

from dpmed_core.engine.process import address, engine_is_alive
from dpmed_core.phrases import duration_in_words
from dpmed_core.settings import Settings

log = logging.getLogger(__name__)

LONGEST_QUIET_SECONDS = 60.0
LONGEST_COUNTED_SECONDS = 5.0
"""Of the time between two looks, the most that counts as quiet: whoever looks may have stood still, too, as on a suspended machine."""


def switches_of(pid: int) -> int | None:
    """How often the main thread of the engine `pid` has given up or lost the processor; None where no such engine runs on this machine.

    The engine's loop sleeps several times a second, so the number of one that works grows.
    """
    try:
        process = psutil.Process(pid)
        if "dpmed_core" not in " ".join(process.cmdline()):  # the number was given to another program
            return None
        counts = process.num_ctx_switches()
        return int(counts.voluntary + counts.involuntary)
    except psutil.Error:
        return None


class EngineWatch:
    """Ends an engine of this machine whose loop has stood still; its workers end with it, and the runs go on from their checkpoints."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        """Watch the engine of the data folder of `settings`."""
        self._settings = settings
        self._clock = clock
        self._seen: tuple[int, int] | None = None
        self._quiet_seconds = 0.0
        self._looked_at = clock()

    def look(self) -> None:
        """Note whether the engine's loop has moved since the last look, and end the engine where it has not for too long."""
        now, seen = self._clock(), self._sign()
        passed, self._looked_at = min(now - self._looked_at, LONGEST_COUNTED_SECONDS), now
        moved = seen is None or seen != self._seen
        self._seen, self._quiet_seconds = seen, 0.0 if moved else self._quiet_seconds + passed
        if seen is not None and self._quiet_seconds >= LONGEST_QUIET_SECONDS:
            log.warning("the engine has stood still for %s and is ended", duration_in_words(self._quiet_seconds))
            os.kill(seen[0], signal.SIGKILL)
            self._seen, self._quiet_seconds = None, 0.0

    def _sign(self) -> tuple[int, int] | None:
        """The engine's pid and how often its loop slept; None where there is none on this machine."""
        if not engine_is_alive(self._settings):
            return None
        noted = address(self._settings) or {}
        pid = noted.get("pid")
        if not isinstance(pid, int) or noted.get("host", socket.gethostname()) != socket.gethostname():
            return None
        switches = switches_of(pid)
        return None if switches is None else (pid, switches)
