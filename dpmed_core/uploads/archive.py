"""ZIP archives from outside: looked at before anything is unpacked, and unpacked without trusting what they say of themselves.

The list of contents is bounded by the archive's last record before it is read, so that a million entries are refused at once.
Every path stays inside the folder it is unpacked to; links, encrypted and nested archives are refused.
"""

import os
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import IO

from dpmed_core.errors import UploadError
from dpmed_core.uploads.limits import DEFAULT_LIMITS, GIB, MIB, PACKED_VOLUME, Limits

END, END_64, LOCATOR_64 = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
END_BYTES, LOCATOR_BYTES, LONGEST_COMMENT = 22, 20, 0xFFFF
ENCRYPTED = 0x1
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
ARCHIVE_SUFFIXES = (".zip", ".gz", ".tgz", ".tar", ".7z", ".rar", ".xz", ".bz2", ".zst", ".jar", ".iso")
ARCHIVE_STARTS = (b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b", b"7z\xbc\xaf\x27\x1c", b"Rar!", b"\xfd7zXZ\x00", b"BZh", b"\x28\xb5\x2f\xfd")
ZIPPED_TABLES = (".xlsx",)
"""Workbooks are ZIP archives themselves; they are looked at like one before they are read."""
LITTER = ("__MACOSX", ".DS_Store", "Thumbs.db")
PIECE = MIB
SPARE_BYTES = GIB
"""What unpacking leaves free on the disk."""

Progress = Callable[[int, int], None]


def inspect(path: Path, limits: Limits = DEFAULT_LIMITS) -> list[zipfile.ZipInfo]:
    """The files in the archive at `path`, none of them unpacked yet.

    Raises:
        UploadError: it is no ZIP archive, or breaks a limit or a rule.
    """
    _bound_directory(path, limits)
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError, OSError, struct.error, UnicodeError):
        raise UploadError("The file is not a readable ZIP archive: pack it again.") from None
    if len(entries) > limits.entries:
        raise _too_many(limits)
    files = [entry for entry in entries if _is_wanted(entry)]
    for entry in files:
        _judge(entry, limits)
    if not files:
        raise UploadError("The ZIP archive is empty: pack the images together with their table.")
    if len({entry.filename for entry in files}) < len(files):
        raise UploadError("The ZIP archive holds two files of one name: pack it again.")
    _judge_total(files, path, limits)
    return files


def unpack(path: Path, folder: Path, *, progress: Progress | None = None, limits: Limits = DEFAULT_LIMITS) -> int:
    """Unpack the archive at `path` into the new `folder` (mode 0700); how many files it held.

    Args:
        path: the archive.
        folder: where to; what is in it so far is removed.
        progress: called with bytes unpacked, of how many.
        limits: what it may come to.

    Raises:
        UploadError: it breaks a limit or a rule, or is damaged; nothing is left in `folder`.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    try:
        return _unpack(path, folder, progress, limits)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _unpack(path: Path, folder: Path, progress: Progress | None, limits: Limits) -> int:
    files = inspect(path, limits)
    total, done = sum(entry.file_size for entry in files), 0
    if total + SPARE_BYTES > shutil.disk_usage(folder).free:
        raise UploadError("The disk of the data folder has no room for what the ZIP archive holds: free some space.")
    with zipfile.ZipFile(path) as archive:
        for entry in files:
            try:
                with archive.open(entry) as packed:
                    done += _write(packed, _place(entry, folder), entry, limits)
            except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError):
                raise UploadError("The ZIP archive is damaged: pack it again.") from None
            except OSError:
                raise UploadError("The ZIP archive cannot be unpacked: two paths in it clash, or the disk is full.") from None
            if progress:
                progress(done, total)
    return len(files)


def _write(packed: IO[bytes], place: Path, entry: zipfile.ZipInfo, limits: Limits) -> int:
    """Write one file; what comes out is counted, whatever was declared."""
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
    written = 0
    with os.fdopen(descriptor, "wb") as file:
        while piece := packed.read(PIECE):
            if not written and piece.startswith(ARCHIVE_STARTS):
                _judge_inner(place)
            written += len(piece)
            if written > min(entry.file_size, limits.file_bytes):
                raise UploadError("A file in the ZIP archive is larger than the archive says: it is refused.")
            file.write(piece)
    if place.suffix.lower() in ZIPPED_TABLES:
        inspect(place, limits)
    return written


def _place(entry: zipfile.ZipInfo, folder: Path) -> Path:
    place = folder.joinpath(*PurePosixPath(entry.filename).parts)
    if not place.resolve().is_relative_to(folder.resolve()):  # the rules for names see to it; this is the second lock
        raise _outside()
    return place


def _bound_directory(path: Path, limits: Limits) -> None:
    """Refuse an archive whose list of contents is too long, reading its last record alone. Source: APPNOTE 6.3.10, 4.3.14-16."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - END_BYTES - LONGEST_COMMENT - LOCATOR_BYTES))
        tail = file.read()
        place = tail.rfind(END)
        if place < 0 or len(tail) < place + END_BYTES:
            raise UploadError("The file is not a ZIP archive: pack the images together with their table as .zip.")
        n_entries, n_bytes = struct.unpack_from("<HL", tail, place + 10)
        locator = tail[max(0, place - LOCATOR_BYTES) : place]
        if locator[:4] == LOCATOR_64:
            file.seek(min(struct.unpack_from("<Q", locator, 8)[0], size))
            record = file.read(56)
            if len(record) < 56 or record[:4] != END_64:
                raise UploadError("The file is not a readable ZIP archive: pack it again.")
            n_entries, n_bytes = struct.unpack_from("<QQ", record, 32)
    if n_entries > limits.entries or n_bytes > limits.directory_bytes:
        raise _too_many(limits)


def _is_wanted(entry: zipfile.ZipInfo) -> bool:
    """Whether the entry is a file, or a link, and not what systems leave lying about."""
    return not (entry.is_dir() or any(part in LITTER for part in entry.filename.split("/")))


def _judge(entry: zipfile.ZipInfo, limits: Limits) -> None:
    """Refuse an entry that breaks a rule."""
    name, mode = entry.orig_filename, entry.external_attr >> 16
    parts = name.split("/")
    if "\\" in name or "\0" in name or name.startswith("/") or ":" in parts[0] or any(part in ("", ".", "..") for part in parts):
        raise _outside()
    if len(parts) > limits.depth or len(name.encode("utf-8", "replace")) > limits.name_bytes:
        raise UploadError(f"The ZIP archive nests folders deeper than {limits.depth}, or has overlong names: pack it flatter.")
    if mode and not (stat.S_ISREG(mode) or not stat.S_IFMT(mode)):
        raise UploadError("The ZIP archive holds a symbolic link or a special file: pack the files themselves.")
    if entry.flag_bits & ENCRYPTED:
        raise UploadError("The ZIP archive is encrypted: pack it without a password; the way to this server should be encrypted instead.")
    if entry.compress_type not in METHODS:
        raise UploadError("The ZIP archive is compressed in a way that is not read here: pack it with plain ZIP compression (deflate).")
    if parts[-1].lower().endswith(ARCHIVE_SUFFIXES) and not parts[-1].lower().endswith(PACKED_VOLUME):
        raise _nested()
    if entry.file_size > limits.file_bytes:
        raise UploadError(f"The ZIP archive holds a file above {limits.file_bytes // MIB} MiB: use a folder on the server.")
    if entry.file_size > limits.ratio_from_bytes and entry.file_size > limits.ratio * max(entry.compress_size, 1):
        raise _bomb(limits)


def _judge_total(files: list[zipfile.ZipInfo], path: Path, limits: Limits) -> None:
    total = sum(entry.file_size for entry in files)
    if total > limits.total_bytes:
        raise UploadError(f"The ZIP archive unpacks to more than {limits.total_bytes // GIB} GiB: use a folder on the server.")
    if total > max(limits.ratio * path.stat().st_size, limits.ratio_from_bytes) or _overlap(files):
        raise _bomb(limits)


def _overlap(files: list[zipfile.ZipInfo]) -> bool:
    """Whether two entries share packed bytes, which multiplies what an archive unpacks to. Source: Fifield 2019, A better zip bomb."""
    ends = [(entry.header_offset, entry.header_offset + entry.compress_size) for entry in files]
    return any(end > start for (_, end), (start, _) in pairwise(sorted(ends)))


def _judge_inner(place: Path) -> None:
    if place.suffix.lower() not in ZIPPED_TABLES and not place.name.lower().endswith(PACKED_VOLUME):
        raise _nested()


def _too_many(limits: Limits) -> UploadError:
    return UploadError(f"The ZIP archive holds more than {limits.entries:,} files: use a folder on the server, or several archives.")


def _outside() -> UploadError:
    return UploadError("The ZIP archive holds a path that leads out of it (absolute, or with '..'): it is refused; pack it again.")


def _nested() -> UploadError:
    return UploadError("The ZIP archive holds another archive: unpack that one first and pack its files.")


def _bomb(limits: Limits) -> UploadError:
    return UploadError(f"The ZIP archive unpacks to more than {limits.ratio} times its size, as no images do: it is refused.")
