"""Small files that show what something else did to them: flipped bits that leave valid JSON, another run's file, a lost or changed line.

Beside what is stored stands a seal: a digest over it, the name of the file and of what it belongs to. It shows damage, not forgery, which
whoever can write to the data folder could cover. Files of earlier versions have none, and are taken as they are: by whoever reads them
and can tell such a file from one that lost its seal (`IsOlder`).
"""

import errno
import fcntl
import json
import os
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from dpmed_core.files import UnreadableFileError, make_way, read_object, write_json

SEAL, SEAL_DIGITS = "seal", 32
"""The field that holds the seal, and how many hexadecimal digits of a SHA-256 it has."""

IsOlder = Callable[[], bool]
"""Asked of a file without a seal: whether an earlier version may have written it, so that it never had one."""


def _always() -> bool:
    return True


def seal_of(value: Mapping[str, object], *belongs_to: str) -> str:
    """The seal of `value`: another for another value, and for the same one elsewhere."""
    said = json.dumps([*belongs_to, value], allow_nan=False, sort_keys=True, separators=(",", ":"))
    return sha256(said.encode()).hexdigest()[:SEAL_DIGITS]


def write_sealed(path: Path, value: Mapping[str, object], owner: str) -> None:
    """Replace `path`, whatever stands there, by `value` as JSON, durably, so that `read_sealed` finds what something else did to it.

    Args:
        path: the file.
        value: what it is to hold.
        owner: the name of what the file belongs to, e.g. a run_id: the same file of another one is found, too.
    """
    make_way(path)
    plain = json.loads(json.dumps(value, allow_nan=False))  # as it will be read: tuples are lists, enumerations their values
    write_json(path, {**plain, SEAL: seal_of(plain, owner, path.name)})


def read_sealed(path: Path, owner: str, *, is_older: IsOlder = _always) -> dict[str, Any]:
    """The JSON object in `path` that `write_sealed` wrote for `owner`; that of an earlier version has no seal, and is taken as it is.

    Raises:
        UnreadableFileError: as `read_object`, or it was changed, lost its seal, or belongs to another.
    """
    fields = read_object(path)
    seal = fields.pop(SEAL, None)
    if seal is None and not is_older():
        raise UnreadableFileError("was changed: it has no seal")
    if seal is not None and seal != seal_of(fields, owner, path.name):
        raise UnreadableFileError("was changed, or is another's")
    return fields


def lines_of(content: bytes) -> list[bytes]:
    """The lines of a file that `append_line` writes; empty ones, which nobody wrote, have no place."""
    return [line for line in content.split(b"\n") if line]


def n_ended(content: bytes) -> int:
    r"""How many lines of such a file are written to their end, a line break; one that was cut short later is not.

    >>> n_ended(b'{"a": 1}\n{"b": 2}\n'), n_ended(b'{"a": 1}\n{"b": 2')
    (2, 1)
    """
    return len(lines_of(content[: content.rfind(b"\n") + 1]))


def parse_line(line: bytes, name: str, place: int, owner: str, *, is_older: IsOlder = _always) -> dict[str, Any]:
    """The JSON object that `append_line` wrote as line `place`, from 0, of the file called `name`; unsealed ones are of an earlier version.

    Raises:
        ValueError: it is none, was changed, or was written at another place.
    """
    value = json.loads(line.decode())
    if not isinstance(value, dict):
        raise ValueError("not an object")
    seal = value.pop(SEAL, None)
    if not is_older() if seal is None else seal != seal_of(value, owner, name, str(place)):
        raise ValueError("changed")
    return value


def append_line(path: Path, value: Mapping[str, object], owner: str) -> None:
    """Append `value` to `path` as one JSON line, durably, sealed for `owner` at its place in the file.

    Earlier lines are never changed. A last line that a crash cut short is ended with a line break, so that it spoils only itself.
    """
    plain = json.loads(json.dumps(value, allow_nan=False))
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # two that append at once would take the same place
        before = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
        place = len(lines_of(before))
        line = json.dumps({**plain, SEAL: seal_of(plain, owner, path.name, str(place))}, sort_keys=True) + "\n"
        data = (line if not before or before.endswith(b"\n") else "\n" + line).encode()
        if os.write(descriptor, data) < len(data):  # what a disk that is full does with the last bytes that it has
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
