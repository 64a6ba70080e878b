"""Durable, atomic writes, reading what may be damaged, files for their owner alone, and what a disk that takes nothing says.

Neither a concurrent reader nor a power cut leaves a half-written file in use. What something else did to a small file, `read_object`
says in words: whoever lists things names that one, and goes on with the others.
"""

import errno
import json
import math
import os
import re
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import file_digest
from pathlib import Path
from typing import Any

from filelock import FileLock

OTHERS = stat.S_IRWXG | stat.S_IRWXO
"""The bits of a mode that let group and others in, 0o077. As a umask: new files get mode 0600, new folders 0700."""

RESERVE_BYTES = 8 << 20
"""Space that is left alone on the data folder's disk, so that the record of what was spent can be written to the end."""
REFUSALS = {
    errno.ENOSPC: "the disk of the data folder is full",
    errno.EDQUOT: "the disk quota of the data folder is used up",
    errno.EROFS: "the data folder is on a disk that is read-only",
    errno.EACCES: "the data folder may not be written by the account that runs DPMed",
    errno.EPERM: "the data folder may not be written by the account that runs DPMed",
}
"""What it means where a write fails with one of these numbers (errno(3))."""
NUMBER = re.compile(r"(?:errno|os error) (\d+)", re.IGNORECASE)
SHORT_WRITE = re.compile(r"\d+ requested and \d+ written")


def storage_reason(error: BaseException) -> str | None:
    """Why a disk took nothing, where that is what `error` is about; None where it is another error.

    Libraries that write through other languages hide the number in their text: safetensors as "(os error 28)", Arrow as "[errno 28]"; NumPy
    tells only how much was written.
    """
    if isinstance(error, OSError) and error.errno is not None:
        return REFUSALS.get(error.errno)
    text = str(error)
    if (number := NUMBER.search(text)) is not None:
        return REFUSALS.get(int(number.group(1)))
    return REFUSALS[errno.ENOSPC] if isinstance(error, OSError) and SHORT_WRITE.search(text) else None


def space_reason(folder: Path, needed_bytes: int = 0) -> str | None:
    """Why nothing more can be written to `folder`; None where it takes `needed_bytes` and leaves the reserve.

    Args:
        folder: on the disk in question; where it does not exist, the nearest folder above it.
        needed_bytes: what is to be written.
    """
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if os.statvfs(there).f_flag & os.ST_RDONLY:
        return REFUSALS[errno.EROFS]
    if not os.access(there, os.W_OK):
        return REFUSALS[errno.EACCES]
    free, needed = shutil.disk_usage(there).free, needed_bytes + RESERVE_BYTES
    mib = 1 << 20
    if free < needed:
        return f"the disk of the data folder has {free // mib:,} MiB left, of {-(-needed // mib):,} MiB that are needed"
    return None


def allocation_reason(folder: Path, n_bytes: int) -> str | None:
    """Why `folder` does not take a file of `n_bytes`, found by making one; None where it does.

    Quotas and permissions do not show in the free space of a disk.
    """
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            os.posix_fallocate(file.fileno(), 0, n_bytes)
    except OSError as error:
        if (reason := storage_reason(error)) is None:
            raise
        return reason
    return None


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
    all in it. Links are neither followed nor changed. What cannot be changed, because it belongs to another user, was removed meanwhile or
    is on a read-only disk, stays as it is.
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


def open_to_others(folder: Path) -> list[Path]:
    """The folder and everything in it that group or others can reach by its mode; links are not followed."""
    paths = [folder, *(Path(parent, name) for parent, folders, files in os.walk(folder) for name in (*folders, *files))]
    return [path for path in paths if _is_open_to_others(path)]


def close_to_others(paths: Iterable[Path]) -> None:
    """Take `paths` from group and others; what cannot be changed stays as it is."""
    for path in paths:
        _close_to_others(path)


def _is_open_to_others(path: Path) -> bool:
    with suppress(OSError):
        mode = path.lstat().st_mode
        return not stat.S_ISLNK(mode) and bool(mode & OTHERS)
    return False


def _close_to_others(path: Path) -> bool:
    """Whether the mode of `path` let others in and was changed."""
    with suppress(OSError):  # on a disk that is read-only too
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


class UnreadableFileError(ValueError):
    """A file does not hold what was written there; the text goes on after the file's name: "is empty", "is not JSON".

    Attributes:
        is_missing: there is no such file.
    """

    def __init__(self, what: str, *, is_missing: bool = False) -> None:
        """Say `what` is wrong."""
        super().__init__(what)
        self.is_missing = is_missing


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in `path`.

    Raises:
        UnreadableFileError: it is missing, a folder, empty, not UTF-8, not JSON or no object.
    """
    content = read_whole(path)
    try:
        fields = json.loads(content.decode())
    except UnicodeDecodeError:
        raise UnreadableFileError("is not UTF-8 text") from None
    except (ValueError, RecursionError):
        raise UnreadableFileError("is not JSON" if content.strip() else "is empty") from None
    if not isinstance(fields, dict):
        raise UnreadableFileError("does not hold a JSON object")
    return fields


def read_whole(path: Path) -> bytes:
    """The bytes in `path`.

    Raises:
        UnreadableFileError: it is missing, a folder, or cannot be read.
    """
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise UnreadableFileError("is missing", is_missing=True) from None
    except IsADirectoryError:
        raise UnreadableFileError("is a folder") from None
    except OSError as error:
        raise UnreadableFileError(f"cannot be read ({type(error).__name__})") from None


def check_fields(fields: Mapping[str, Any], kinds: Mapping[str, type], *, optional: frozenset[str] = frozenset()) -> None:
    """Check that an object that was read has these fields and no others.

    Args:
        fields: as read.
        kinds: the type of each; a `float` may be written as a whole number, and is finite.
        optional: names of fields that may be missing, or null.

    Raises:
        UnreadableFileError: it has others, which a later version of DPMed may know, lacks one, or one is of another type.
    """
    if unknown := sorted(set(fields) - set(kinds)):
        raise UnreadableFileError(f"holds {unknown[0][:40]!r}, which this version of DPMed does not know (it may be a later version's)")
    for name, kind in kinds.items():
        value = fields.get(name)
        if value is None and name in optional:
            continue
        allowed = (int, float) if kind is float else (kind,)
        fits = isinstance(value, allowed) and isinstance(value, bool) == (kind is bool)
        if not fits or (isinstance(value, float) and not math.isfinite(value)):
            raise UnreadableFileError(f"has no usable {name!r}" if name in fields else f"lacks {name!r}")


Signature = tuple[int, int, int, int]
"""Size, times of the last change of content and of the entry in nanoseconds, and inode: equal ones mean an unchanged file."""
SETTLED_NANOSECONDS = 2_000_000_000
"""A file that changed this short a time ago may change again within the same tick of the file system's clock, with an equal signature."""
_digests: dict[str, tuple[Signature, str]] = {}


def age_seconds(at: float) -> float:
    """How far `at`, in UTC seconds since the epoch, is from now.

    A time that lies ahead was written before the clock was set back. It counts as old as it lies ahead: whatever waits for a time to pass
    would otherwise wait until the clock has caught up.
    """
    return abs(time.time() - at)


def signature_of(path: Path) -> Signature:
    """The signature of a file or folder.

    Raises:
        OSError: it is missing.
    """
    facts = path.stat()
    return facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino


def is_settled(signature: Signature) -> bool:
    """Whether what is remembered under a signature can be trusted until the signature changes."""
    # What lies ahead is settled: a write after the clock was set back gives the file another time.
    return abs(time.time_ns() - max(signature[1], signature[2])) > SETTLED_NANOSECONDS


def unchanged_digest(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits; remembered in this process until the file changes.

    Raises:
        OSError: it is missing, or a folder.
    """
    before = signature_of(path)
    if (known := _digests.get(str(path))) is not None and known[0] == before:
        return known[1]
    with path.open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
    if is_settled(before):
        _digests[str(path)] = before, digest
    return digest


def lock_at(path: Path, *, timeout: float = -1) -> FileLock:
    """The lock `path`, which waits `timeout` seconds, or for ever; a folder in its place, which nobody can lock, is set aside."""
    make_way(path)
    return FileLock(path, timeout=timeout)


def make_way(path: Path) -> None:
    """Set a folder that stands where the file `path` belongs aside, under a hidden name beside it: nothing in it is lost."""
    if path.is_dir() and not path.is_symlink():
        with suppress(FileNotFoundError):  # another process has done so meanwhile
            path.rename(path.with_name(f".damaged-{path.name}-{secrets.token_hex(4)}"))


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
