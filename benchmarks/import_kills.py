"""Killing an import (SIGKILL) at random moments: the cohort is complete or absent, and images already read are not read again."""

import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from benchmarks.importing import KEY, images
from dpmed_core.cohort.drafts import PREFIX
from dpmed_core.cohort.store import CohortStore

N_KILLS, N_IMAGES, SIDE = 20, 600, 512
ENDING_SECONDS = 10.0
"""Time for workers to end: they finish the images that they were given last."""
PROGRAM = """
import sys
from pathlib import Path
from dpmed_core.cohort.intake.importer import import_manifest
from dpmed_core.cohort.store import CohortStore
first = []
def progress(done, total):
    if not first:
        first.append(done)
        Path(sys.argv[3]).write_text(str(done))
store = CohortStore(Path(sys.argv[1]), bytes(range(32)))
import_manifest(store, "images", manifest=Path(sys.argv[2]), images_dir=None, findings=("mass",), workers=2, progress=progress)
"""


def rows() -> list[dict[str, object]]:
    """One row per kill, then one for the cohort that the last attempt completed."""
    return list(_rows())


def _rows() -> Iterator[dict[str, object]]:
    """One row per kill, each after a random time of an uninterrupted import."""
    moments = random.Random(0)
    with images(N_IMAGES, SIDE) as manifest, tempfile.TemporaryDirectory() as folder:
        store, first = CohortStore(Path(folder) / "cohorts", KEY), Path(folder) / "first"
        command = [sys.executable, "-c", PROGRAM, str(store.root), str(manifest), str(first)]
        began = time.monotonic()
        subprocess.run(command, check=True)
        whole_seconds, fingerprint = time.monotonic() - began, store.fingerprint("images")
        store.remove("images")
        for number in range(N_KILLS):
            yield _kill(command, store, fingerprint, first, after=moments.uniform(0, whole_seconds), number=number)
            if store.names():
                store.remove("images")
        subprocess.run(command, check=True)
        yield {"case": "after the last kill", "cohort": "whole" if store.fingerprint("images") == fingerprint else "DIFFERENT"}


def _kill(command: list[str], store: CohortStore, fingerprint: str, first: Path, *, after: float, number: int) -> dict[str, object]:
    """Run and kill one attempt; images in the journal before and after, its first reported progress, and the state of the cohort."""
    before = _journalled(store)
    first.unlink(missing_ok=True)
    process = subprocess.Popen(command)
    time.sleep(after)
    readers = [child.pid for child in psutil.Process(process.pid).children(recursive=True)] if process.poll() is None else []
    process.send_signal(signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + ENDING_SECONDS
    while left := sum(map(_is_alive, readers)):
        if time.monotonic() > deadline:
            break
        time.sleep(0.1)
    exists = store.names() == ["images"]
    return {
        "case": f"kill {number + 1} after {after:.2f} s",
        "journalled_before": before,
        "first_progress_of_this_attempt": int(first.read_text()) if first.exists() else None,
        "journalled_after": _journalled(store),
        "cohort": "none" if not exists else "whole" if store.load("images").fingerprint == fingerprint else "DIFFERENT",
        "readers_left": left,
    }


def _is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _journalled(store: CohortStore) -> int:
    """The number of distinct images in the draft's journal."""
    indices: set[int] = set()
    for journal in store.root.glob(f"{PREFIX}*/journal.jsonl"):
        for line in journal.read_text().splitlines():
            try:
                indices |= {entry[0] for entry in json.loads(line.partition("\t")[0] or "[]")}
            except ValueError:
                continue  # cut short by the kill
    return len(indices)
