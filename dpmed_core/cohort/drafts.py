"""Where a cohort is prepared: hidden folders beside the cohorts, gone when they are no longer of use to anyone."""

import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from dpmed_core.errors import CohortError

PREFIX = ".draft-"
LIFETIME_SECONDS = 24 * 3600
LOCK = "lock"


@contextmanager
def passing_draft(root: Path) -> Iterator[Path]:
    """A draft under `root` that is gone when the block ends, unless it was published."""
    _clear_old(root)
    folder = root / f"{PREFIX}{secrets.token_hex(6)}"
    folder.mkdir(parents=True, mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def lasting_draft(root: Path, work: str) -> Iterator[Path]:
    """The draft of `work` under `root`: what an attempt that was cut off within the last day left in it is still there.

    It is gone when the block ends or raises a CohortError; it stays, for whoever asks for the same work again, where the block is
    interrupted or the process killed.

    Args:
        root: folder of the cohorts.
        work: a name for exactly this work.

    Raises:
        CohortError: another process is at the same work.
    """
    _clear_old(root)
    folder = root / f"{PREFIX}{work}"
    folder.mkdir(parents=True, mode=0o700, exist_ok=True)
    lock = FileLock(folder / LOCK, timeout=0)
    try:
        lock.acquire()
    except (Timeout, OSError):
        raise CohortError("The same import is under way already: wait until it is done.") from None
    finished = False
    try:
        yield folder
        finished = True
    except CohortError:
        finished = True
        raise
    finally:
        lock.release()
        if finished:
            shutil.rmtree(folder, ignore_errors=True)


def remove_draft(root: Path, work: str) -> None:
    """Remove the draft of `work`, if there is one."""
    shutil.rmtree(root / f"{PREFIX}{work}", ignore_errors=True)


def _clear_old(root: Path) -> None:
    for folder in root.glob(f"{PREFIX}*"):
        newest = max((path.stat().st_mtime for path in (folder, *folder.iterdir())), default=0.0)
        if time.time() - newest > LIFETIME_SECONDS and not _is_locked(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _is_locked(folder: Path) -> bool:
    if not (folder / LOCK).exists():
        return False
    try:
        with FileLock(folder / LOCK, timeout=0):
            return False
    except Timeout:
        return True
