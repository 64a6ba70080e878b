"""Drafts: hidden folders beside the cohorts in which a cohort is prepared, removed when they are no longer needed."""

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import Timeout

from dpmed_core.errors import CohortError
from dpmed_core.files import age_seconds, lock_at

PREFIX = ".draft-"
LIFETIME_SECONDS = 24 * 3600
LOCK = "lock"


@contextmanager
def temporary_draft(root: Path) -> Iterator[Path]:
    """A draft under `root` that is removed when the block ends, unless it was renamed (published) before."""
    _clear_old(root)
    folder = root / f"{PREFIX}{secrets.token_hex(6)}"
    folder.mkdir(parents=True, mode=0o700)
    lock = lock_at(folder / LOCK, timeout=0)
    lock.acquire()
    try:
        yield folder
    finally:
        lock.release()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def resumable_draft(root: Path, work: str) -> Iterator[Path]:
    """The draft of `work` under `root`, with what an attempt that was interrupted within the last day left in it.

    It is removed when the block ends or raises a CohortError. If the block is interrupted or the process killed, it stays, so that the
    same work can be resumed.

    Args:
        root: folder of the cohorts.
        work: a name for exactly this work.

    Raises:
        CohortError: another process is doing the same work.
    """
    _clear_old(root)
    folder = root / f"{PREFIX}{work}"
    folder.mkdir(parents=True, mode=0o700, exist_ok=True)
    lock = lock_at(folder / LOCK, timeout=0)
    try:
        lock.acquire()
    except (Timeout, OSError):
        raise CohortError("The same import is already running: wait until it is done.") from None
    finished = False
    try:
        yield folder
        finished = True
    except CohortError:  # the same input would fail again: there is nothing to resume
        finished = True
        raise
    finally:
        # Released before the folder is removed, which holds the file of the lock.
        lock.release()
        if finished:
            shutil.rmtree(folder, ignore_errors=True)


def _clear_old(root: Path) -> None:
    """Remove drafts whose newest file is older than a day, unless a process works on them."""
    for folder in root.glob(f"{PREFIX}*"):
        # The folder's own time does not change when a file in it grows, so the files count too.
        try:
            newest = max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
        except OSError:  # it is being published or removed
            continue
        if age_seconds(newest) > LIFETIME_SECONDS and not is_locked(folder):
            shutil.rmtree(folder, ignore_errors=True)


def is_locked(folder: Path) -> bool:
    """Whether a process works on the draft in `folder`."""
    if not (folder / LOCK).exists():
        return False
    try:
        with lock_at(folder / LOCK, timeout=0):
            return False
    except Timeout:
        return True
