"""Estimates of the time that counted work still needs, and of the memory it took."""

import resource
import sys
import time
from collections.abc import Callable


class Pace:
    """The speed of counted work since it began in this process; what an earlier attempt had already done does not count as speed."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start the clock."""
        self._clock = clock
        self._began = clock()
        self._done_before: int | None = None

    def seconds_left(self, done: int, total: int) -> float | None:
        """Estimated seconds until `total` is reached, at the mean speed so far; None until there is a speed to estimate from."""
        if self._done_before is None:
            # The first call sets the reference: a resumed import begins with what an earlier attempt had read.
            self._done_before, self._began = done, self._clock()
            return None
        did, elapsed = done - self._done_before, self._clock() - self._began
        return elapsed / did * (total - done) if did > 0 else None

    def elapsed(self) -> float:
        """Seconds since the work began."""
        return self._clock() - self._began

    def restart(self) -> None:
        """Start again from zero."""
        self._began, self._done_before = self._clock(), None


def peak_memory_mib() -> float:
    """The peak resident memory of this process or of any one of its finished child processes, whichever is larger, in MiB.

    Source: getrusage(2); `ru_maxrss` is in kilobytes on Linux and in bytes on macOS.
    """
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / unit
