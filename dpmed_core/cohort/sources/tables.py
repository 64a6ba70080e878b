"""CSV, Parquet and Excel tables as text, and the rows of a source that such a table describes.

Of a table, only the columns that are used are read, some thousand rows at a time: a million rows of two hundred columns take no more
memory than the columns that are named.
"""

import csv
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
import pyarrow as pa

from dpmed_core.cohort.sources.csv_table import CsvTable, NumberedRows, TableFaultError
from dpmed_core.cohort.sources.image_folder import ImageFolder
from dpmed_core.cohort.sources.parquet_table import ParquetTable
from dpmed_core.cohort.sources.rows import SourceRow, parse_row
from dpmed_core.cohort.sources.values import Uncertain
from dpmed_core.cohort.sources.workbook import Workbook
from dpmed_core.errors import CohortError

ROWS_AT_ONCE = 1 << 14


class TableFile(Protocol):
    """A table of some file format whose header has been read."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of its columns, in order; a name may repeat."""

    def batches(self, columns: Sequence[int]) -> Iterator[NumberedRows]:
        """The rows below the header with the values of `columns`, given by position, as text."""


_OPENERS: dict[str, Callable[[Path], TableFile]] = {".parquet": ParquetTable.open, ".xlsx": Workbook.open, ".xlsm": Workbook.open}

FAULTS = (ValueError, csv.Error, OSError, KeyError, EOFError, TypeError, zipfile.BadZipFile, pa.ArrowException)
"""What the readers raise on files that are no tables."""


@dataclass(frozen=True, eq=False)
class Table:
    """A table whose header has been read.

    Attributes:
        path: the file.
        called: what error messages call it.
        file: reads it.
    """

    path: Path = field(repr=False)
    called: str
    file: TableFile = field(repr=False)

    @classmethod
    def open(cls, path: Path, *, called: str = "table") -> "Table":
        """The table at `path`: a .csv, .txt, .tsv, .csv.gz, .parquet or .xlsx file.

        Raises:
            CohortError: it is missing or unreadable.
        """
        if not path.is_file():
            raise CohortError(f"The {called} {path.name!r} does not exist: give the path of a CSV, Parquet or Excel file.")
        try:
            return cls(path, called, _OPENERS.get(path.suffix.lower(), CsvTable.open)(path))
        except FAULTS as fault:
            raise _unreadable(path, called, fault) from None

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of its columns, in order; a name may repeat."""
        return self.file.columns

    @property
    def remark(self) -> str:
        """What else the file holds that was not read, e.g. the other sheets of a workbook; empty if there is nothing."""
        return str(getattr(self.file, "remark", ""))

    def batches(self, columns: Sequence[int]) -> Iterator[NumberedRows]:
        """The rows below the header with the values of `columns`, given by position, as text.

        Raises:
            CohortError: the file is damaged.
        """
        try:
            yield from self.file.batches(columns)
        except FAULTS as fault:
            raise _unreadable(self.path, self.called, fault) from None

    def read(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """The values of `columns`, or of all, as text, with missing values as blanks, indexed by row; blank rows are passed over.

        The header is row 1. Of a name that repeats, the first column is read.

        Raises:
            CohortError: the file is damaged, or has no row.
        """
        positions = range(len(self.columns)) if columns is None else [self.columns.index(name) for name in columns]
        numbers, batches = zip(*self.batches(positions), strict=True)
        labels = list(map(str, range(len(positions))))
        text: pd.DataFrame = pa.Table.from_batches([batch.rename_columns(labels) for batch in batches]).to_pandas()
        text.columns = pd.Index([self.columns[position] for position in positions], dtype=str)
        text.index = pd.Index(np.concatenate(numbers))
        if text.empty:
            raise CohortError(f"The {self.called} {self.path.name!r} has no rows below its header: add one row per image.")
        return text

    def has(self, name: str) -> bool:
        """Whether it has a column of that name, but for capitals and punctuation."""
        return plain_name(name) in map(plain_name, self.columns)

    def named(self, wanted: Sequence[str]) -> dict[str, str]:
        """The column for each name of `wanted`: of that very name, else the only one of that name but for capitals and punctuation.

        Raises:
            CohortError: there is none, or it occurs twice.
        """
        found = {}
        for name in wanted:
            alike = [column for column in self.columns if column == name]
            alike = alike or [column for column in self.columns if plain_name(column) == plain_name(name)]
            if not alike:
                raise CohortError(f"The {self.called} has no column {name!r}: it has {', '.join(self.columns)}.{self.remark}")
            if len(alike) > 1:
                raise CohortError(f"Column {alike[0]!r} occurs twice in the {self.called}: rename or remove one of them.")
            found[name] = alike[0]
        return found


def read_table(path: Path, *, called: str = "table") -> pd.DataFrame:
    """The table at `path` as text, with missing values as blanks, indexed by row (the header is row 1); blank rows are passed over.

    A CSV may be separated by commas, semicolons, tabs or bars, may be UTF-8 or UTF-16, and may be gzipped. Whole numbers of Parquet and
    Excel become text without decimals (7, not 7.0), true and false become 1 and 0.

    Args:
        path: a .csv, .txt, .tsv, .csv.gz, .parquet or .xlsx file; of a workbook, the first sheet.
        called: what error messages call it.

    Raises:
        CohortError: it is missing, unreadable or empty.
    """
    return Table.open(path, called=called).read()


def sampled(table: Table, n_rows: int, columns: Sequence[str] | None = None) -> tuple[pd.DataFrame, int]:
    """(some `n_rows` to twice as many rows of `table`, taken evenly, as text; the number of all its rows); only the sample is held.

    Args:
        table: to read.
        n_rows: wanted; a smaller table is returned whole.
        columns: to read; None for all, of a name that repeats the first.

    Raises:
        CohortError: the file is damaged, or has no row.
    """
    names = list(dict.fromkeys(table.columns if columns is None else columns))
    held, every, total = [], 1, 0
    for numbers, batch in table.batches([table.columns.index(name) for name in names]):
        place = np.arange(total, total + len(numbers))
        held.append((place[place % every == 0], batch.filter(pa.array(place % every == 0))))
        total += len(numbers)
        # Once twice as many rows are held as are wanted, every other one is dropped.
        while sum(len(places) for places, _ in held) > 2 * n_rows:
            every *= 2
            held = [(places[kept], rows.filter(pa.array(kept))) for places, rows in held for kept in [places % every == 0]]
    if not total:
        raise CohortError(f"The {table.called} {table.path.name!r} has no rows below its header: add one row per image.")
    sample = pa.Table.from_batches([rows for _, rows in held]).to_pandas()
    return sample.set_axis(pd.Index(names, dtype=str), axis=1), total


def plain_name(name: str) -> str:
    """A column's name in small letters, letters and digits only: "Patient-ID" and "patient_id" are "patientid"."""
    return re.sub(r"[^a-z0-9]", "", name.lower()) or name


def _unreadable(path: Path, called: str, fault: Exception) -> CohortError:
    reason = f" ({fault})" if isinstance(fault, TableFaultError) and str(fault) else ""
    return CohortError(
        f"The {called} {path.name!r} is not a readable CSV, Parquet or Excel file{reason}: save it as CSV in UTF-8, with commas and one "
        "header line."
    )


@dataclass(frozen=True, eq=False)
class TableRows:
    """The rows of a table with the manifest's columns, parsed each time they are iterated over, so that only the table is held in memory.

    Attributes:
        table: text with the columns image, patient_id, the findings and co-morbidities, and possibly age, sex, split and study_order,
            indexed by row.
        root: the folder to which image paths are relative.
        columns: findings, then co-morbidities.
        uncertain: what uncertain labels become; None if they are problems.
    """

    table: pd.DataFrame = field(repr=False)
    root: Path = field(repr=False)
    columns: tuple[str, ...]
    uncertain: Uncertain | None = None

    def __len__(self) -> int:
        return len(self.table)

    def __iter__(self) -> Iterator[SourceRow]:
        names = [str(name) for name in self.table.columns]
        folder = ImageFolder(self.root)
        # Some thousand rows at a time: a million cells as Python's text take several times the table's own memory.
        for start in range(0, len(self.table), ROWS_AT_ONCE):
            for row in self.table.iloc[start : start + ROWS_AT_ONCE].itertuples(name=None):
                record = dict(zip(names, map(str, row[1:]), strict=True))
                yield parse_row(int(row[0]), record, folder=folder, columns=self.columns, uncertain=self.uncertain)


def require_columns(table: pd.DataFrame, columns: Sequence[str], *, called: str) -> None:
    """Check that `table` has each of `columns` exactly once.

    Raises:
        CohortError: it does not.
    """
    names = [str(name) for name in table.columns]
    missing = [name for name in columns if name not in names]
    if missing:
        raise CohortError(f"The {called} has no column {missing[0]!r}: it has {', '.join(names)}.")
    if repeated := [name for name in columns if names.count(name) > 1]:
        raise CohortError(f"Column {repeated[0]!r} occurs twice in the {called}: rename or remove one of them.")


def chosen_findings(wanted: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    """The findings to import: those `wanted`, or all `known` ones if none is.

    Raises:
        CohortError: one of them is not known, or is named twice.
    """
    if unknown := [name for name in wanted if name not in known]:
        raise CohortError(f"The data set has no finding {unknown[0]!r}: it has {', '.join(known)}.")
    if len(set(wanted)) < len(wanted):
        twice = next(name for name in wanted if list(wanted).count(name) > 1)
        raise CohortError(f"Finding {twice!r} is named twice: name each finding once.")
    return tuple(wanted) or tuple(known)
