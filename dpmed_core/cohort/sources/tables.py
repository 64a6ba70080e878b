"""CSV, Parquet and Excel tables as text, and the rows of a source that such a table describes."""

import csv
import gzip
import math
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from dpmed_core.cohort.sources.rows import ImageFolder, SourceRow, parse_row
from dpmed_core.errors import CohortError

HEADER_LINES = 1
LONGEST_HEADER = 1 << 20
SEPARATORS = (",", ";", "\t")
LARGEST_WORKBOOK_BYTES = 2**30
TRUTH = {True: "1", False: "0"}


def read_table(path: Path, *, called: str = "table") -> pd.DataFrame:
    """The table at `path` as text, with missing values as blanks, indexed by line (the header is line 1).

    A CSV may be separated by commas, semicolons or tabs, and may be gzipped. Whole numbers of Parquet and Excel become text without
    decimals (7, not 7.0), true and false become 1 and 0.

    Args:
        path: a .csv, .txt, .tsv, .csv.gz, .parquet or .xlsx file; of a workbook, the first sheet.
        called: what error messages call it.

    Raises:
        CohortError: it is missing, unreadable or empty.
    """
    if not path.is_file():
        raise CohortError(f"The {called} {path.name!r} does not exist: give the path of a CSV, Parquet or Excel file.")
    try:
        table = _READERS.get(path.suffix.lower(), _read_csv)(path)
    except (ValueError, csv.Error, OSError, KeyError, EOFError, zipfile.BadZipFile, pd.errors.ParserError, pd.errors.EmptyDataError):
        raise CohortError(
            f"The {called} {path.name!r} is not a readable CSV, Parquet or Excel file: save it as CSV in UTF-8, with commas and one header "
            "line."
        ) from None
    if table.empty:
        raise CohortError(f"The {called} {path.name!r} has no rows below its header: add one row per image.")
    table.index = pd.RangeIndex(HEADER_LINES + 1, HEADER_LINES + 1 + len(table))
    return table


def _read_csv(path: Path) -> pd.DataFrame:
    """A CSV whose separator is the most frequent one in its header.

    Raises:
        ValueError: it has no header, or a line with more values than the header.
    """
    # "utf-8-sig" also reads the byte order mark that Excel writes.
    with gzip.open(path, "rt", encoding="utf-8-sig") if path.suffix == ".gz" else path.open(encoding="utf-8-sig") as file:
        line = file.readline(LONGEST_HEADER)
    separator = max(SEPARATORS, key=line.count)
    header = [name.strip() for name in next(csv.reader([line], delimiter=separator), [])]
    if not header:
        raise ValueError
    table = pd.read_csv(
        path,
        sep=separator,
        dtype=str,
        keep_default_na=False,
        encoding="utf-8-sig",
        skip_blank_lines=False,
        index_col=False,
        on_bad_lines="error",
        header=None,
        names=range(len(header) + 1),  # some programs end every line but the header with a separator
    ).fillna("")
    if (table[len(header)] != "").any():
        raise ValueError
    table = table.drop(columns=len(header))
    table.columns = pd.Index(header)
    return table.iloc[1:]


def _read_parquet(path: Path) -> pd.DataFrame:
    return _as_text(pd.read_parquet(path))


def _read_workbook(path: Path) -> pd.DataFrame:
    """The first sheet of a workbook, which is a ZIP archive: its uncompressed size is checked before it is read."""
    with zipfile.ZipFile(path) as packed:
        if sum(member.file_size for member in packed.infolist()) > LARGEST_WORKBOOK_BYTES:
            raise ValueError
    return _as_text(pd.read_excel(path, engine="openpyxl", dtype=object, na_filter=False))


_READERS: dict[str, Callable[[Path], pd.DataFrame]] = {".parquet": _read_parquet, ".xlsx": _read_workbook, ".xlsm": _read_workbook}


def _as_text(table: pd.DataFrame) -> pd.DataFrame:
    """`table` with every value as text; by position, since names of columns may repeat."""
    text = pd.DataFrame({number: [_cell(value) for value in table.iloc[:, number]] for number in range(table.shape[1])}, dtype=str)
    text.columns = pd.Index([str(name).strip() for name in table.columns])
    return text


def _cell(value: object) -> str:
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and math.isnan(value)):
        return ""
    # numpy's truth values are not instances of bool.
    if isinstance(value, bool) or type(value).__name__ == "bool_":
        return TRUTH[bool(value)]
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


@dataclass(frozen=True, eq=False)
class TableRows:
    """The rows of a table with the manifest's columns, parsed each time they are iterated over, so that only the table is held in memory.

    Attributes:
        table: text with the columns image, patient_id, the findings and co-morbidities, and possibly age, sex and split, indexed by row.
        root: the folder to which image paths are relative.
        columns: findings, then co-morbidities.
    """

    table: pd.DataFrame = field(repr=False)
    root: Path = field(repr=False)
    columns: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.table)

    def __iter__(self) -> Iterator[SourceRow]:
        names = [str(name) for name in self.table.columns]
        folder = ImageFolder(self.root)
        for row in self.table.itertuples(name=None):
            yield parse_row(int(row[0]), dict(zip(names, map(str, row[1:]), strict=True)), folder=folder, columns=self.columns)


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
