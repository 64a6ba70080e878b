"""The first sheet of an Excel workbook as text, some thousand rows at a time."""

import warnings
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from dpmed_core.cohort.sources.cell_text import cell_text
from dpmed_core.cohort.sources.csv_table import HEADER_ROW, NumberedRows, TableFaultError, not_blank

ROWS_AT_ONCE = 1 << 12
LARGEST_WORKBOOK_BYTES = 2**30
SHEETS_NAMED = 5


@dataclass(frozen=True, eq=False)
class Workbook:
    """A workbook, the header of whose first sheet has been read.

    Attributes:
        path: the file.
        columns: names of the first sheet's columns, in order, without surrounding spaces.
        sheets: names of its sheets; the first one is read.
    """

    path: Path = field(repr=False)
    columns: tuple[str, ...]
    sheets: tuple[str, ...]

    @classmethod
    def open(cls, path: Path) -> "Workbook":
        """The first sheet of the workbook at `path`, which is a ZIP archive: its uncompressed size is checked before it is read.

        Raises:
            TableFaultError: it is too large, or its first sheet is empty.
            OSError, KeyError, ValueError, zipfile.BadZipFile: it is damaged.
        """
        with zipfile.ZipFile(path) as packed:
            if sum(member.file_size for member in packed.infolist()) > LARGEST_WORKBOOK_BYTES:
                raise TableFaultError("it is too large for a workbook")
        with _opened(path) as book:
            header = list(next(_rows(book), ()))
            while header and header[-1] is None:
                header.pop()
            if not header:
                raise TableFaultError(f"its first sheet, {book.sheetnames[0]!r}, is empty")
            return cls(path, tuple(cell_text(name).strip() for name in header), tuple(book.sheetnames))

    @property
    def remark(self) -> str:
        """Which sheet was read and which were not; empty if there is only one."""
        if len(self.sheets) == 1:
            return ""
        others = ", ".join(map(repr, self.sheets[1 : 1 + SHEETS_NAMED])) + (", ..." if len(self.sheets) > 1 + SHEETS_NAMED else "")
        read = f" Its first sheet, {self.sheets[0]!r}, was read and not {others}"
        return f"{read}: move the sheet with the table to the front, or save it as CSV."

    def batches(self, columns: Sequence[int]) -> Iterator[NumberedRows]:
        """The rows below the header with the values of `columns`, given by position, as text.

        Raises:
            OSError, KeyError, ValueError, zipfile.BadZipFile: the file is damaged.
        """
        first, names = HEADER_ROW + 1, list(map(str, range(len(columns))))
        with _opened(self.path) as book:
            rows = islice(_rows(book), HEADER_ROW, None)
            while True:
                # Rows of a sheet end with their last cell.
                taken = [[cell_text(row[column]) if column < len(row) else "" for column in columns] for row in islice(rows, ROWS_AT_ONCE)]
                values = list(zip(*taken, strict=True)) if taken else [()] * len(columns)
                texts = pa.RecordBatch.from_arrays([pa.array(column, pa.string()) for column in values], names)
                yield not_blank(np.arange(first, first + len(taken)), texts)
                if not taken:
                    return
                first += len(taken)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The workbook at `path`, read row by row; cells with formulas have the values that were last computed."""
    from openpyxl import load_workbook  # type: ignore[import-untyped]  # rarely needed, and slow to import

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about styles and extensions, which are not read
        book = load_workbook(path, read_only=True, data_only=True)
    try:
        yield book
    finally:
        book.close()


def _rows(book: Any) -> Iterator[tuple[object, ...]]:
    """The rows of the first sheet, from its first row on, as far as there are cells, whatever size the sheet declares."""
    sheet = book[book.sheetnames[0]]
    if not hasattr(sheet, "iter_rows"):
        raise TableFaultError(f"its first sheet, {book.sheetnames[0]!r}, is a chart")
    sheet.reset_dimensions()
    return iter(sheet.iter_rows(values_only=True))
