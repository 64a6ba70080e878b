"""An installation with a small cohort, a trainer that a test can steer, a small disk, and a clock that can be set."""

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.small_runs import cohort, installation, settings, spec, trainer

__all__ = ["cohort", "installation", "settings", "spec", "trainer"]
DISK_MIB = 48


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own; a skip where this process may not mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m,mode=0700", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("this process may not mount a file system")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the clock on the wall off by so many days; monotonic time and the times of files stay."""
    seconds, nanoseconds, days = time.time, time.time_ns, [0.0]
    monkeypatch.setattr(time, "time", lambda: seconds() + days[0] * 86_400)
    monkeypatch.setattr(time, "time_ns", lambda: nanoseconds() + int(days[0] * 86_400e9))

    def set_to(offset_days: float) -> None:
        days[0] = offset_days

    return set_to
