"""Uploaded ZIP archives: inspected before anything is unpacked, and unpacked without trusting the sizes that they declare.

The list of contents is checked against the archive's last record before it is read, so a million entries are refused at once.
Every path stays inside the folder that it is unpacked to; links, encrypted archives and archives within archives are refused.
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
"""Workbooks are ZIP archives themselves and are inspected like one."""
SYSTEM_FILES = ("__MACOSX", ".DS_Store", "Thumbs.db")
PIECE = MIB
SPARE_BYTES = GIB
"""Disk space that must remain free after unpacking."""

Progress = Callable[[int, int], None]


def inspect(path: Path, limits: Limits = DEFAULT_LIMITS) -> list[zipfile.ZipInfo]:
    """The entries of the files in the archive at `path`; nothing is unpacked.

    Raises:
        UploadError: it is not a ZIP archive, exceeds a limit, or holds a forbidden entry.
    """
    _check_directory_size(path, limits)
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError, OSError, struct.error, UnicodeError):
        raise UploadError("The file is not a readable ZIP archive: pack it again.") from None
    # The last record may have understated their number.
    if len(entries) > limits.entries:
        raise _too_many(limits)
    files = [entry for entry in entries if _is_wanted(entry)]
    for entry in files:
        _check_entry(entry, limits)
    if not files:
        raise UploadError("The ZIP archive is empty: pack the images together with their table.")
    if len({entry.filename for entry in files}) < len(files):
        raise UploadError("The ZIP archive holds two files with the same path: pack it again.")
    _check_total(files, path, limits)
    return files


def unpack(path: Path, folder: Path, *, progress: Progress | None = None, limits: Limits = DEFAULT_LIMITS) -> int:
    """Unpack the archive at `path` into the new `folder` (mode 0700); the number of files.

    Args:
        path: the archive.
        folder: to unpack to; anything in it is removed first.
        progress: called with the bytes unpacked and their total.
        limits: that the archive must keep.

    Raises:
        UploadError: it exceeds a limit, holds a forbidden entry, or is damaged; `folder` is then removed.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    try:
        return _unpack(path, folder, progress, limits)
    # Ctrl-C and a cancelled job included: a half unpacked archive must not look like a complete one.
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _unpack(path: Path, folder: Path, progress: Progress | None, limits: Limits) -> int:
    """Inspect the archive, check the disk space, and write the files one by one; their number."""
    files = inspect(path, limits)
    total, done = sum(entry.file_size for entry in files), 0
    if total + SPARE_BYTES > shutil.disk_usage(folder).free:
        raise UploadError(
            f"The ZIP archive unpacks to {total / GIB:.1f} GiB, for which the disk of the data folder has no room: free some space, or "
            "tell the administrator."
        )
    with zipfile.ZipFile(path) as archive:
        for entry in files:
            try:
                with archive.open(entry) as packed:
                    done += _write(packed, _target(entry, folder), entry, limits)
            except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError):
                raise UploadError("The ZIP archive is damaged: pack it again.") from None
            except OSError:
                raise UploadError(
                    "The ZIP archive cannot be unpacked: one of its files has the name of a folder, or the disk is full; pack it again."
                ) from None
            if progress:
                progress(done, total)
    return len(files)


def _write(packed: IO[bytes], target: Path, entry: zipfile.ZipInfo, limits: Limits) -> int:
    """Write one file to `target`; the number of bytes, which are counted while they are written, whatever the entry declares.

    Raises:
        UploadError: it is larger than declared, or is an archive itself.
    """
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # O_EXCL and O_NOFOLLOW: an entry can neither overwrite a file nor write through a link that an earlier entry created.
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
    written = 0
    with os.fdopen(descriptor, "wb") as file:
        while piece := packed.read(PIECE):
            # Archives are also recognised by their first bytes, whatever their name.
            if not written and piece.startswith(ARCHIVE_STARTS):
                _refuse_nested(target)
            written += len(piece)
            if written > min(entry.file_size, limits.file_bytes):
                raise UploadError("A file in the ZIP archive is larger than the archive declares: pack it again.")
            file.write(piece)
    if target.suffix.lower() in ZIPPED_TABLES:
        inspect(target, limits)
    return written


def _target(entry: zipfile.ZipInfo, folder: Path) -> Path:
    """The path that `entry` is unpacked to; checked again here, although `_check_entry` has refused every name that leads out."""
    target = folder.joinpath(*PurePosixPath(entry.filename).parts)
    if not target.resolve().is_relative_to(folder.resolve()):
        raise _outside()
    return target


def _check_directory_size(path: Path, limits: Limits) -> None:
    """Check the length of the archive's list of contents, reading only its last record.

    `zipfile` reads the whole list at once and creates an object per entry.

    Raises:
        UploadError: the list is too long, or the record is missing.

    Source: APPNOTE.TXT 6.3.10, 4.3.14 to 4.3.16.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - END_BYTES - LONGEST_COMMENT - LOCATOR_BYTES))
        tail = file.read()
        position = tail.rfind(END)
        if position < 0 or len(tail) < position + END_BYTES:
            raise UploadError("The file is not a ZIP archive: pack the images together with their table as .zip.")
        n_entries, n_bytes = struct.unpack_from("<HL", tail, position + 10)
        # Archives with more than 65,535 entries or 4 GiB have their real numbers in a ZIP64 record, to which a locator points.
        locator = tail[max(0, position - LOCATOR_BYTES) : position]
        if locator[:4] == LOCATOR_64:
            file.seek(min(struct.unpack_from("<Q", locator, 8)[0], size))
            record = file.read(56)
            if len(record) < 56 or record[:4] != END_64:
                raise UploadError("The file is not a readable ZIP archive: pack it again.")
            n_entries, n_bytes = struct.unpack_from("<QQ", record, 32)
    if n_entries > limits.entries or n_bytes > limits.directory_bytes:
        raise _too_many(limits)


def _is_wanted(entry: zipfile.ZipInfo) -> bool:
    """Whether the entry is neither a folder nor a file of an operating system; links are wanted too, so that they are refused."""
    return not (entry.is_dir() or any(part in SYSTEM_FILES for part in entry.filename.split("/")))


def _check_entry(entry: zipfile.ZipInfo, limits: Limits) -> None:
    """Check the path, the kind and the sizes of an entry.

    Raises:
        UploadError: one of them is forbidden.
    """
    # The name as stored: `zipfile` cleans `filename`, which would hide backslashes and NUL characters.
    name, mode = entry.orig_filename, entry.external_attr >> 16
    parts = name.split("/")
    if "\\" in name or "\0" in name or name.startswith("/") or ":" in parts[0] or any(part in ("", ".", "..") for part in parts):
        raise _outside()
    if len(parts) > limits.depth or len(name.encode("utf-8", "replace")) > limits.name_bytes:
        raise UploadError(
            f"The ZIP archive holds a path with more than {limits.depth} levels or {limits.name_bytes} bytes: pack it with shorter paths."
        )
    # The upper 16 bits of the attributes are the Unix mode; 0 if the archive was packed on another system.
    if mode and not (stat.S_ISREG(mode) or not stat.S_IFMT(mode)):
        raise UploadError("The ZIP archive holds a symbolic link or a special file: pack the files themselves.")
    if entry.flag_bits & ENCRYPTED:
        raise UploadError("The ZIP archive is encrypted: pack it without a password, and encrypt the connection to this server instead.")
    if entry.compress_type not in METHODS:
        raise UploadError("The ZIP archive uses an unsupported compression: pack it with standard ZIP compression (deflate).")
    if parts[-1].lower().endswith(ARCHIVE_SUFFIXES) and not parts[-1].lower().endswith(PACKED_VOLUME):
        raise _nested()
    if entry.file_size > limits.file_bytes:
        raise UploadError(f"The ZIP archive holds a file larger than {limits.file_bytes // MIB:,} MiB: use a folder on the server.")
    if entry.file_size > limits.ratio_from_bytes and entry.file_size > limits.ratio * max(entry.compress_size, 1):
        raise _bomb(limits)


def _check_total(files: list[zipfile.ZipInfo], path: Path, limits: Limits) -> None:
    """Check the uncompressed size of all files together.

    Raises:
        UploadError: it is too large, or out of proportion to the archive.
    """
    total = sum(entry.file_size for entry in files)
    if total > limits.total_bytes:
        raise UploadError(f"The ZIP archive unpacks to more than {limits.total_bytes // GIB} GiB: use a folder on the server.")
    if total > max(limits.ratio * path.stat().st_size, limits.ratio_from_bytes) or _overlap(files):
        raise _bomb(limits)


def _overlap(files: list[zipfile.ZipInfo]) -> bool:
    """Whether two entries share compressed bytes, so that a small archive unpacks to a large size.

    Source: Fifield 2019, A better zip bomb, USENIX WOOT.
    """
    ends = [(entry.header_offset, entry.header_offset + entry.compress_size) for entry in files]
    return any(end > start for (_, end), (start, _) in pairwise(sorted(ends)))


def _refuse_nested(target: Path) -> None:
    """Raise an UploadError unless the file, whose content begins like an archive, may be one by its name."""
    if target.suffix.lower() not in ZIPPED_TABLES and not target.name.lower().endswith(PACKED_VOLUME):
        raise _nested()


def _too_many(limits: Limits) -> UploadError:
    return UploadError(f"The ZIP archive holds more than {limits.entries:,} files: use a folder on the server, or several archives.")


def _outside() -> UploadError:
    return UploadError("The ZIP archive holds a path that leads out of it (absolute, or with '..'): pack it again with relative paths.")


def _nested() -> UploadError:
    return UploadError("The ZIP archive holds another archive: unpack that one first, and pack its files.")


def _bomb(limits: Limits) -> UploadError:
    return UploadError(
        f"The ZIP archive unpacks to more than {limits.ratio} times its size, which images do not: pack it again, or use a folder on the "
        "server."
    )
