"""What a ZIP archive, or a folder on the server, may come to; more is a case for the command line."""

from dataclasses import dataclass

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30

PACKED_VOLUME = ".nii.gz"
"""The one packed kind of file that may lie in an archive: a volume, whose header is judged before it is unpacked."""


@dataclass(frozen=True)
class Limits:
    """Limits that hold while an archive is looked at and again, by counting, while it is unpacked.

    Attributes:
        entries: files and folders.
        directory_bytes: the archive's list of contents, which is read before anything else.
        total_bytes: all files, unpacked.
        file_bytes: one file, unpacked.
        ratio: unpacked for each packed byte, of any file above `ratio_from_bytes` and of the whole.
        ratio_from_bytes: smaller files may be as compressible as they like.
        depth: folders within folders.
        name_bytes: of one file's path.
        folder_entries: files in a folder on the server.
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
