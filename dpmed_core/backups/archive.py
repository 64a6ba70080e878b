"""The archive of a backup: a ZIP file whose last member, the manifest, has the digest of every other.

data/PATH            a file of the data folder
tables/NAME.jsonl    a table of the database: its columns in the first line, then one line a row
manifest.json        when and by which version it was made, the version of the database's schema, size and SHA-256 of each member

Nothing is believed of an archive before its members were compared with its manifest: names lead nowhere but into the folder, there are no
links, and nothing that the manifest does not name. The digests show damage, not forgery: whoever can write an archive can write a manifest.
"""

import json
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import IO, Any

from dpmed_core.errors import BackupError

FORMAT = 1
MANIFEST, DATA, TABLES = "manifest.json", "data/", "tables/"
PIECE = 1 << 20
LARGEST_MANIFEST = 1 << 30
DIGEST = re.compile(r"[0-9a-f]{64}")
TABLE = re.compile(r"tables/[a-z_]{1,60}\.jsonl")
UNREADABLE = "The file is not a backup of DPMed, or is damaged: take another copy of it."
LEADS_OUT = "The backup holds a link, or a name that leads out of the data folder: it was not made by DPMed."
BROKEN = (zipfile.BadZipFile, zlib.error, ValueError, KeyError, TypeError, EOFError, NotImplementedError, RuntimeError, RecursionError)


@dataclass
class ArchiveWriter:
    """Adds members to an archive that is being written, and notes the size and digest of each.

    Attributes:
        archive: the open ZIP file.
        members: what was added, by name.
    """

    archive: zipfile.ZipFile
    members: dict[str, dict[str, object]] = field(default_factory=dict)

    @contextmanager
    def member(self, name: str) -> Iterator["DigestingFile"]:
        """A file to write the member `name` to."""
        with self.archive.open(name, "w", force_zip64=True) as target:
            file = DigestingFile(target)
            yield file
        self.members[name] = {"bytes": file.n_bytes, "sha256": file.digest.hexdigest()}

    def close(self, facts: dict[str, object]) -> None:
        """Write the manifest."""
        text = json.dumps({"format": FORMAT, **facts, "members": self.members}, indent=1, allow_nan=False)
        self.archive.writestr(MANIFEST, text.encode())


class DigestingFile:
    """A file that is written to, and the digest of what was written."""

    def __init__(self, target: IO[bytes]) -> None:
        """Write to `target`."""
        self._target = target
        self.digest, self.n_bytes = sha256(), 0

    def write(self, piece: bytes) -> None:
        """Write some bytes."""
        self._target.write(piece)
        self.digest.update(piece)
        self.n_bytes += len(piece)


@dataclass(frozen=True)
class Manifest:
    """What an archive holds.

    Attributes:
        schema: the version of the database's schema.
        made_at: when the copy of the database was made, UTC seconds since the epoch.
        version: of DPMed, that made it.
        members: size and digest of each member by its name.
        digest: of the manifest itself, which tells one archive from another.
    """

    schema: str
    made_at: float
    version: str
    members: dict[str, tuple[int, str]]
    digest: str

    @property
    def files(self) -> list[str]:
        """The paths in the data folder of the files that it holds, in the order in which they were copied."""
        return [name.removeprefix(DATA) for name in self.members if name.startswith(DATA)]


@contextmanager
def opened_archive(path: Path) -> Iterator[tuple[zipfile.ZipFile, Manifest]]:
    """The archive at `path` and its manifest, every member compared with it.

    Raises:
        BackupError: it is none, is damaged, or holds what may not be unpacked.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            manifest = _manifest(archive)
            for name in manifest.members:
                for _ in pieces(archive, manifest, name):
                    pass
            yield archive, manifest
    except FileNotFoundError:
        raise BackupError(f"There is no file {path.name}.") from None
    except OSError as error:
        raise BackupError(f"{path.name} cannot be read ({type(error).__name__}).") from None
    except BROKEN:
        raise BackupError(UNREADABLE) from None


def pieces(archive: zipfile.ZipFile, manifest: Manifest, name: str) -> Iterator[bytes]:
    """The content of a member, piece by piece; what it declares of its size is not believed.

    Raises:
        BackupError: after the last piece, or before one too many, where it is not what the manifest says.
    """
    n_bytes, expected = manifest.members[name]
    digest, seen = sha256(), 0
    with archive.open(name) as member:
        while piece := member.read(PIECE):
            seen += len(piece)
            if seen > n_bytes:
                break
            digest.update(piece)
            yield piece
    if seen != n_bytes or digest.hexdigest() != expected:
        raise BackupError(f"{name} in the backup is not what its manifest says: take another copy of the backup.")


def _manifest(archive: zipfile.ZipFile) -> Manifest:
    """The manifest of an archive, after its members were compared with it by name."""
    entries = {entry.filename: entry for entry in archive.infolist()}
    if len(entries) < len(archive.infolist()) or entries[MANIFEST].file_size > LARGEST_MANIFEST:
        raise ValueError("two members of one name, or a manifest of impossible size")
    content = archive.read(MANIFEST)
    fields: dict[str, Any] = json.loads(content)
    if (written_as := fields["format"]) != FORMAT:
        raise BackupError(
            f"The backup has format {written_as!r}, and this version of DPMed reads {FORMAT}: restore it with the one that made it."
        )
    members = {name: (int(said["bytes"]), str(said["sha256"])) for name, said in fields["members"].items()}
    if set(entries) != {*members, MANIFEST} or not all(map(DIGEST.fullmatch, (digest for _, digest in members.values()))):
        raise ValueError("members that the manifest does not name")
    for name in members:
        _refuse_unsafe(entries[name])
    return Manifest(str(fields["schema"]), float(fields["made_at"]), str(fields["version"]), members, sha256(content).hexdigest())


def _refuse_unsafe(entry: zipfile.ZipInfo) -> None:
    """Refuse a member that is no plain file, or whose name leads out of where it belongs."""
    name, kind = entry.filename, stat.S_IFMT(entry.external_attr >> 16)
    path = PurePosixPath(name)
    is_plain = kind in (0, stat.S_IFREG) and not entry.is_dir() and not entry.flag_bits & 1
    leads_inside = str(path) == name and ".." not in path.parts and "\\" not in name and name.isprintable()
    is_data = name.startswith(DATA) and not any(part.startswith(".") for part in path.parts)
    if not (is_plain and leads_inside and (is_data or TABLE.fullmatch(name))):
        raise BackupError(LEADS_OUT)
