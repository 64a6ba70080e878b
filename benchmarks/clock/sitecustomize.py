"""Python's clock on the wall, set off by the seconds in the file that FAULT_CLOCK names; loaded where this folder is on Python's path.

The clocks of the kernel, of file systems and of monotonic time stay as they are: what compares two of them sees what it sees where a clock
is set while files lie on the disk.
"""

import os
import time
from contextlib import suppress

_seconds, _nanoseconds = time.time, time.time_ns


def _offset() -> float:
    with suppress(OSError, ValueError), open(os.environ["FAULT_CLOCK"], encoding="ascii") as file:  # noqa: PTH123 (as little as can be imported)
        return float(file.read())
    return 0.0


if "FAULT_CLOCK" in os.environ:
    time.time = lambda: _seconds() + _offset()
    time.time_ns = lambda: _nanoseconds() + int(_offset() * 1e9)
    # Workers keep their priority: with other work on the machine, times to recover would tell of that work alone.
    os.nice = lambda increment: 0
