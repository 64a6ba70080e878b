"""Writing files so that a reader, or a power cut, never meets half of one."""

import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A draft beside `path` to write to; it takes `path`'s place, durably, when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}-{secrets.token_hex(6)}")
    try:
        yield draft
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
    """Append `value` to `path` as one JSON line, durably; earlier lines are never touched, a broken-off last one is left by itself."""
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
    """Make the content of `path` durable."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
