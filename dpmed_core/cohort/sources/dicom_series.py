"""The CT series of a folder of DICOM files: one row per series, whichever subfolders hold its files."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from dpmed_core.cohort.sources.rows import SourceRow
from dpmed_core.cohort.sources.tables import TableRows
from dpmed_core.imaging.ct.series import SeriesFiles
from dpmed_core.imaging.ct.slices import LOCALIZER, text_values
from dpmed_core.imaging.dicom.header import DicomHeader

SERIES, IS_SLICE = "series", "is_slice"
ATTRIBUTES = ("SeriesInstanceUID", "ImageType", "Modality", "Rows")


def series_facts(header: DicomHeader) -> dict[str, str]:
    """The series of a file, and whether the file may be a CT slice ("1" or blank)."""
    is_slice = header.text("Modality").upper() in ("CT", "") and header.value("Rows") and LOCALIZER not in text_values(header, "ImageType")
    return {SERIES: header.text("SeriesInstanceUID"), IS_SLICE: "1" if is_slice else ""}


@dataclass(frozen=True, eq=False)
class SeriesTable:
    """The CT series of a folder.

    Attributes:
        table: one row per series, numbered from 1 in the order of their first files, with the columns of the first file: `image` is that
            file, and `file` the folder that holds it.
        files: paths of the files of each row, relative to the folder.
        n_left_out: number of files that are not slices: localizers, reports, other modalities.
    """

    table: pd.DataFrame = field(repr=False)
    files: Mapping[int, tuple[str, ...]] = field(repr=False)
    n_left_out: int


def by_series(files: pd.DataFrame, *, file_column: str) -> SeriesTable:
    """The series among `files`, a table with the columns image, `file_column` and those of `series_facts`.

    A file without SeriesInstanceUID counts as a series of its own.
    """
    slices = files[files[IS_SLICE] == "1"]
    names = slices[SERIES].where(slices[SERIES] != "", slices["image"])
    groups = [group for _, group in slices.groupby(names, sort=False)]
    table = pd.concat([group.head(1) for group in groups]) if groups else slices
    table = table.set_axis(pd.RangeIndex(1, 1 + len(table)))
    table = table.assign(**{file_column: [str(Path(image).parent) for image in table["image"]]})
    paths = {row: tuple(group["image"]) for row, group in zip(table.index, groups, strict=True)}
    return SeriesTable(table, paths, n_left_out=len(files) - len(slices))


@dataclass(frozen=True, eq=False)
class SeriesRows:
    """The rows of a table of series, each with all files of its series as the image.

    Attributes:
        rows: of the table, each with its first file as the image.
        files: as in `SeriesTable`.
    """

    rows: TableRows = field(repr=False)
    files: Mapping[int, tuple[str, ...]] = field(repr=False)

    def __iter__(self) -> Iterator[SourceRow]:
        for row in self.rows:
            paths = tuple(str(self.rows.root / name) for name in self.files[row.row])
            yield row if row.image is None else replace(row, image=SeriesFiles(paths))
