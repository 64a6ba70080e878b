"""Durable, atomic writes, and files that nobody but their owner can read.

Neither a concurrent reader nor a power cut leaves a half-written file in use.
"""

import json
import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

OTHERS = stat.S_IRWXG | stat.S_IRWXO
"""The bits of a mode that let group and others in, 0o077. As a umask: new files get mode 0600, new folders 0700."""


def keep_files_to_owner() -> int:
    """Let what this process and the processes that it starts create be for their owner alone; the umask that held before.

    The data folder holds patients' pixels, keyed identifiers and non-private weights. A umask covers what libraries write as well.
    """
    return os.umask(OTHERS)


@contextmanager
def creating_with(umask: int) -> Iterator[None]:
    """Files and folders that this process creates in the block get their modes from `umask`, those of all threads included."""
    former = os.umask(umask)
    try:
        yield
    finally:
        os.umask(former)


def restrict_to_owner(folder: Path) -> int:
    """Take the data folder of an earlier version, and all in it, from group and others; how many modes were changed.

    Of a folder that is closed to others (mode 0700) only what stands directly in it is looked at, and what is open there is closed with
    all in it. Links are neither followed nor changed. What cannot be changed, because it belongs to another user or was removed
    meanwhile, stays as it is.
    """
    if not folder.is_dir():
        return 0
    if folder.stat().st_mode & OTHERS:
        return _close_with_content(folder.resolve())
    return sum(map(_close_with_content, sorted(filter(_is_open_to_others, folder.iterdir()))))


def _close_with_content(path: Path) -> int:
    """Close `path` and all under it; how many modes were changed."""
    paths = [Path(parent, name) for parent, folders, files in os.walk(path) for name in (*folders, *files)]
    # The folder last: where this is interrupted, the next start finds it open and does the rest.
    return sum(map(_close_to_others, (*paths, path)))


def _is_open_to_others(path: Path) -> bool:
    with suppress(FileNotFoundError):
        mode = path.lstat().st_mode
        return not stat.S_ISLNK(mode) and bool(mode & OTHERS)
    return False


def _close_to_others(path: Path) -> bool:
    """Whether the mode of `path` let others in and was changed."""
    with suppress(PermissionError, FileNotFoundError):
        mode = path.lstat().st_mode
        if not stat.S_ISLNK(mode) and mode & OTHERS:
            path.chmod(stat.S_IMODE(mode) & ~OTHERS)
            return True
    return False


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` to write to; it replaces `path`, durably, if the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}-{secrets.token_hex(6)}")  # same folder: a rename is atomic only within one file system
    try:
        yield draft
        # The content must be on disk before the name points to it, and the name before the caller goes on.
        sync_file(draft)
        draft.replace(path)
        sync_folder(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def write_json(path: Path, value: Mapping[str, object]) -> None:
    """Replace `path` by `value` as JSON, durably."""
    with replacing(path) as draft:
        draft.write_text(json.dumps(value, indent=1, allow_nan=False, sort_keys=True))


def append_line(path: Path, value: Mapping[str, object]) -> None:
    """Append `value` to `path` as one JSON line, durably.

    Earlier lines are never changed. A last line that a crash cut short is ended with a line break, so that it spoils only itself.
    """
    line = json.dumps(value, allow_nan=False, sort_keys=True) + "\n"
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            line = "\n" + line
        os.write(descriptor, line.encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file(path: Path) -> None:
    """Flush the content of `path` to the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Flush the directory entries of `folder` to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
