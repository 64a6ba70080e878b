"""Putting a backup back: into an empty data folder and an empty database, whole or not at all.

Until it is done a note stands in the data folder, and no installation opens there. Restoring the same archive again goes on from there.
"""

import zipfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import make_url

from dpmed_core.backups.archive import DATA, TABLES, Manifest, opened_archive, pieces
from dpmed_core.backups.contents import files_to_copy
from dpmed_core.backups.table_rows import replace_rows
from dpmed_core.database import Database
from dpmed_core.errors import BackupError
from dpmed_core.files import UnreadableFileError, read_object, replacing, restrict_to_owner, space_reason, write_json
from dpmed_core.installation import RESTORING_FILE, Installation
from dpmed_core.keyed_hash import CHECK_FILE, KEY_FILE
from dpmed_core.settings import Settings


@dataclass(frozen=True)
class Restored:
    """What was put back.

    Attributes:
        n_files: files of the data folder.
        made_at: when the backup was made, UTC seconds since the epoch.
        version: of DPMed, that made it.
        broken_at: the first entry of the ledger that is not genuine, as it was when the backup was made; None where all are.
        is_behind: whether the ledger lacks entries that were noted in the data folder.
    """

    n_files: int
    made_at: float
    version: str
    broken_at: int | None
    is_behind: bool


def restore_backup(settings: Settings, path: Path) -> Restored:
    """Put the backup at `path` into the empty data folder and database that `settings` name, and check the ledger.

    Raises:
        BackupError: the archive is damaged, or folder or database are not empty.
        StorageError: the disk takes nothing.
    """
    with opened_archive(path) as (archive, manifest):
        note: dict[str, object] = {"manifest": manifest.digest, "database": _database(settings)}
        resumed = _note(settings)
        if resumed is None:
            _refuse_what_is_there(settings)
        elif resumed != note:
            raise BackupError("Another backup, or one to another database, was being restored into this data folder: empty both first.")
        _refuse_small_disk(settings, manifest)
        write_json(settings.data_dir / RESTORING_FILE, note)
        restrict_to_owner(settings.data_dir)
        if resumed:
            _remove_what_is_there(settings)
        _restore_rows(settings, archive, manifest, resumed=resumed is not None)
        for name in manifest.files:
            with replacing(settings.data_dir / name) as draft, draft.open("xb") as file:
                draft.chmod(0o600)
                for piece in pieces(archive, manifest, f"{DATA}{name}"):
                    file.write(piece)
    restrict_to_owner(settings.data_dir)
    (settings.data_dir / RESTORING_FILE).unlink()
    chain = Installation.open(settings).ledger.chain
    entries, broken = chain.verified()
    return Restored(len(manifest.files), manifest.made_at, manifest.version, broken, chain.is_behind(entries))


def _database(settings: Settings) -> str:
    """Names the database, without its password."""
    return make_url(settings.database_url).render_as_string() if settings.database_url else ""


def _note(settings: Settings) -> dict[str, object] | None:
    """Which backup was being restored to where when a restore was interrupted; None where none was."""
    try:
        return read_object(settings.data_dir / RESTORING_FILE)
    except UnreadableFileError as error:
        if error.is_missing:
            return None
        raise BackupError(f"{RESTORING_FILE} in the data folder {error}: empty folder and database first.") from None


def _refuse_what_is_there(settings: Settings) -> None:
    """Refuse a folder that holds anything that a backup would hold, and a database that holds rows.

    A key under which nothing is stored makes way: any process that looks into an empty folder makes one.
    """
    if there := [name for name in files_to_copy(settings) if name not in (KEY_FILE, CHECK_FILE)]:
        raise BackupError(
            f"The data folder is not empty (it holds {there[0].split('/')[0]}): restore into an empty one, and move this one away first."
        )
    if not Database(settings).is_empty():
        raise BackupError("The database holds rows: restore into an empty one.")


def _refuse_small_disk(settings: Settings, manifest: Manifest) -> None:
    if reason := space_reason(settings.data_dir, sum(n_bytes for n_bytes, _ in manifest.members.values())):
        raise BackupError(f"The backup cannot be unpacked: {reason}.")


def _remove_what_is_there(settings: Settings) -> None:
    """Remove what an interrupted restore wrote: the folder was empty when it began."""
    for name in files_to_copy(settings):
        if name != RESTORING_FILE:
            with suppress(FileNotFoundError):
                (settings.data_dir / name).unlink()


def _restore_rows(settings: Settings, archive: zipfile.ZipFile, manifest: Manifest, *, resumed: bool) -> None:
    names = [name for name in manifest.members if name.startswith(TABLES)]
    content = {Path(name).stem: _lines(pieces(archive, manifest, name)) for name in names}
    with Database(settings).transaction(exclusive=True) as connection:
        replace_rows(connection, manifest.schema, content, resumed=resumed)


def _lines(found: Iterator[bytes]) -> Iterator[bytes]:
    """The lines of a text that comes in pieces."""
    rest = b""
    for piece in found:
        *lines, rest = (rest + piece).split(b"\n")
        yield from lines
    if rest:
        yield rest
