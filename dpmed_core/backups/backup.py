"""Making a backup: data folder and database in one archive, while others work."""

import os
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from dpmed_core.backups.archive import DATA, PIECE, TABLES, ArchiveWriter
from dpmed_core.backups.contents import files_to_copy
from dpmed_core.backups.table_rows import lines_of, tables_to_copy
from dpmed_core.database import Database
from dpmed_core.errors import BackupError
from dpmed_core.files import replacing
from dpmed_core.installation import Installation
from dpmed_core.migrations.migrate import LAST
from dpmed_core.settings import own_version

COMPRESSION = 1
"""Pixels and weights hardly become smaller with more, and the backup several times slower."""


@dataclass(frozen=True)
class Backup:
    """What was written.

    Attributes:
        file: the archive.
        n_bytes: its size.
        n_files: files of the data folder in it.
        n_rows: rows of the database.
        n_vanished: files that were removed while it was made, with a run or cohort; they are not in it.
    """

    file: Path
    n_bytes: int
    n_files: int
    n_rows: int
    n_vanished: int


def write_backup(installation: Installation, path: Path, *, progress: Callable[[int, int], None] = lambda done, total: None) -> Backup:
    """Write a backup of `installation` to the new file `path`, for its owner alone (mode 0600): it holds the installation's key.

    Args:
        installation: what is copied; it goes on working.
        path: the archive; it appears when it is complete.
        progress: told how many of all files are done.

    Raises:
        BackupError: the file exists or lies in the data folder, or cannot be written.
        SettingsError: the database cannot be read.
    """
    settings = installation.settings
    if path.exists() or path.is_symlink():
        raise BackupError(f"{path.name} exists already: name a new file, so that no earlier backup is lost.")
    if path.resolve().is_relative_to(settings.data_dir.resolve()):
        raise BackupError("The backup would lie in the data folder that it copies: name a file elsewhere, best on another disk.")
    n_vanished = 0
    try:
        with replacing(path) as draft:
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with (
                os.fdopen(descriptor, "wb") as file,
                zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=COMPRESSION) as archive,
            ):
                writer = ArchiveWriter(archive)
                files = files_to_copy(settings)
                for place, name in enumerate(files):
                    n_vanished += not _copy(writer, settings.data_dir / name, name)
                    progress(place + 1, len(files))
                at = time.time()
                n_rows = _copy_database(writer, installation)
                writer.close({"made_at": at, "version": own_version(), "schema": LAST})
    except OSError as error:
        raise BackupError(f"{path.name} cannot be written ({os.strerror(error.errno or 0)}): choose another place for it.") from None
    return Backup(path, path.stat().st_size, len(files) - n_vanished, n_rows, n_vanished)


def _copy(writer: ArchiveWriter, path: Path, name: str) -> bool:
    """Whether the file `path` was there, and now is in the archive."""
    try:
        file = path.open("rb")
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise _unreadable(name, error) from None
    with file, writer.member(f"{DATA}{name}") as member:
        while piece := _read(file, name):
            member.write(piece)
    return True


def _read(file: IO[bytes], name: str) -> bytes:
    try:
        return file.read(PIECE)
    except OSError as error:
        raise _unreadable(name, error) from None


def _unreadable(name: str, error: OSError) -> BackupError:
    return BackupError(f"{name} in the data folder cannot be read ({type(error).__name__}): see what `doctor` says of it.")


def _copy_database(writer: ArchiveWriter, installation: Installation) -> int:
    """Copy all tables as they are at one moment; the number of their rows."""
    n_rows = 0
    with Database(installation.settings).snapshot() as connection:
        for table in tables_to_copy():
            with writer.member(f"{TABLES}{table.name}.jsonl") as member:
                for line in lines_of(connection, table):
                    member.write(line)
                    n_rows += 1
            n_rows -= 1  # the line of column names
    return n_rows
