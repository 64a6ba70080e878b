"""Durable, atomic writes: neither a concurrent reader nor a power cut leaves a half-written file in use."""

import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


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
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
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
