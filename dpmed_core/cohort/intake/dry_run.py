"""A dry run of an import: the same rows, images and checks, and the same report, of which nothing stays."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dpmed_core.cohort.intake.importer import check_source
from dpmed_core.cohort.intake.row_table import NoUsableRowError, select_rows
from dpmed_core.cohort.intake.stored_side import stored_side
from dpmed_core.cohort.intake.what_is_read import FileKind, kinds_of_files, read_some
from dpmed_core.cohort.report import ImportReport
from dpmed_core.cohort.sources.rows import Source
from dpmed_core.imaging.modality import Modality


@dataclass(frozen=True)
class CheckedImport:
    """What an import would give.

    Attributes:
        report: of the import.
        kinds: every distinct kind of file, with how many files have it.
        read: how some files, and one of each kind, would be read, as plain values for JSON.
        refusal: why nothing could be imported; empty if something could.
    """

    report: ImportReport
    kinds: tuple[FileKind, ...] = ()
    read: tuple[dict[str, Any], ...] = ()
    refusal: str = ""


def check_import(
    source: Source,
    draft: Path,
    *,
    key: bytes,
    modality: Modality,
    pixels: int | None = None,
    one_writing: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> CheckedImport:
    """What importing `source` would give.

    Args:
        source: what would be imported.
        draft: an empty folder, with room for the stored images, which the caller removes.
        key: of keyed hashes.
        modality: of the images.
        pixels: as for `import_source`.
        one_writing: identifiers that differ only in writing are one patient's.
        progress: called with the number of images done and their total.

    Raises:
        CohortError: the source as a whole cannot be used.
    """
    kinds: tuple[FileKind, ...] = ()
    read: tuple[dict[str, Any], ...] = ()
    try:
        rows = select_rows(source, key=key, one_writing=one_writing)
        side = stored_side(rows.row_table, modality, pixels)
        found, firsts, _ = kinds_of_files(rows.row_table)
        kinds, read = tuple(found), tuple(one.to_fields() for one in read_some(rows.row_table, firsts, modality, side))
        report = check_source(rows, source, draft, key=key, modality=modality, side=side, progress=progress)
        return CheckedImport(report, kinds, read)
    except NoUsableRowError as error:
        problems = tuple(sorted(error.problems, key=lambda problem: problem.row or 0))
        return CheckedImport(ImportReport(error.n_rows, 0, 0, 0, 0, problems), kinds, read, refusal=str(error))
