"""Faults, each made in a running installation: what users see, what is lost, the time to recover, and whether spending is right.

`python -m benchmarks faults` makes all of them, one after another (some half an hour on two cores); `python -m benchmarks.faults NAME ...`
those of these names. Processes that are killed have a command of their own (`process_kills`). Mounting a small file system needs the right
to mount.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from benchmarks.asked_while_ending import asks_scene
from benchmarks.fault_scenes import clock_scene, disk_full_scene, key_scene, read_only_scene, stopped_scene, two_servers_scene

Row = dict[str, object]
SCENES: dict[str, Callable[[Path], list[Row]]] = {
    "disk-full": disk_full_scene,
    "read-only": read_only_scene,
    "key": key_scene,
    "clock": clock_scene,
    "stopped": stopped_scene,
    "two-servers": two_servers_scene,
    "asks": asks_scene,
}
"""Each is given an empty folder."""


def rows(*names: str) -> list[Row]:
    """One row for each fault of the scenes called `names`, or of all."""
    return [row for name in names or SCENES for row in _of(name)]


def _of(name: str) -> list[Row]:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=f"dpmed-{name}-") as folder:
        found = SCENES[name](Path(folder))
    sys.stderr.write(f"{name}: {time.monotonic() - began:.0f} s\n")
    return found


if __name__ == "__main__":
    pd.set_option("display.max_colwidth", None)
    pd.set_option("display.width", 250)
    for scene in sys.argv[1:] or list(SCENES):
        for row in rows(scene):
            sys.stdout.write(" | ".join(f"{name}: {value}" for name, value in row.items()) + "\n")
            sys.stdout.flush()
