"""How long something that counts will still take, and what it took."""

import resource
import sys
import time
from collections.abc import Callable


class Pace:
    """The pace since work began here; what an earlier attempt had done does not count as speed."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin now."""
        self._clock = clock
        self._began = clock()
        self._done_before: int | None = None

    def seconds_left(self, done: int, total: int) -> float | None:
        """Seconds until `total` is reached; None until enough is done to tell."""
        if self._done_before is None:
            self._done_before, self._began = done, self._clock()
            return None
        did, elapsed = done - self._done_before, self._clock() - self._began
        return elapsed / did * (total - done) if did > 0 else None

    def elapsed(self) -> float:
        """Seconds since it began."""
        return self._clock() - self._began

    def restart(self) -> None:
        """Begin anew."""
        self._began, self._done_before = self._clock(), None


def peak_memory_mib() -> float:
    """The most memory that this process, or any one of those it started that have ended, has held, MiB. Source: getrusage(2)."""
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / unit
