"""Limits of what can be imported through the dashboard; larger imports use the command line."""

from dataclasses import dataclass

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30

PACKED_VOLUME = ".nii.gz"
"""The only compressed file that may be in an archive: a volume, whose header is checked before it is decompressed."""


@dataclass(frozen=True)
class Limits:
    """Limits of an archive, checked when it is inspected and again, by counting, while it is unpacked.

    Attributes:
        entries: number of files and folders.
        directory_bytes: size of the archive's list of contents.
        total_bytes: uncompressed size of all files.
        file_bytes: uncompressed size of one file.
        ratio: uncompressed bytes per compressed byte, of any file larger than `ratio_from_bytes` and of the whole archive.
        ratio_from_bytes: up to this uncompressed size, `ratio` is not checked.
        depth: parts of a path.
        name_bytes: length of a path.
        folder_entries: number of files and folders in a folder on the server.
    """

    entries: int = 50_000
    directory_bytes: int = 12 * MIB
    total_bytes: int = 8 * GIB
    file_bytes: int = GIB
    ratio: int = 100
    ratio_from_bytes: int = MIB
    depth: int = 12
    name_bytes: int = 400
    folder_entries: int = 1_000_000


DEFAULT_LIMITS = Limits()
