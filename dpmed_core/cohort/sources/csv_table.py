"""CSV tables, read by pyarrow block by block: only the columns that are used are converted, and only they are held in memory.

A row is numbered by its place in the file, the header being row 1; blank rows are counted and passed over. A row with fewer values than
the header ends with blanks, and one with more is accepted if what is beyond the header is blank: some programs end every line with a
separator.
"""

import codecs
import csv
import gzip
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute as pc
from pyarrow import csv as arrow_csv

SEPARATORS = (",", ";", "\t", "|")
SEPARATOR_LINE = "sep="
"""Excel writes and reads a first line that names the separator, e.g. "sep=;"."""
LONGEST_HEADER, HEADER_ROW = 1 << 20, 1
REPLACED = "\ufffd"
"""The character that stands for what cannot be decoded."""
BLOCK_BYTES = 1 << 20
"""Bytes of the file that are parsed at once; a row must be shorter."""
LONG_ROWS_BYTES = 1 << 26
"""The same for a second attempt at a table with longer rows."""
START_BYTES = 4096
UTF_8 = "utf-8-sig"
BYTE_ORDER_MARKS = ((codecs.BOM_UTF8, UTF_8), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
PIECE_BYTES = 1 << 22
OTHER_FORMATS = {
    b"\xd0\xcf\x11\xe0": "it is an Excel workbook of the old format, .xls",
    b"PK\x03\x04": "it is a workbook or a ZIP archive, whatever its name says",
    b"%PDF": "it is a PDF document",
}
"""First bytes of files that are often taken for tables -> what they are."""
STRADDLING, BAD_TEXT, OPEN_QUOTATION = "straddling", "invalid UTF8", "unexpected end of data"
"""Words by which messages of pyarrow and Python's csv are recognised."""

NumberedRows = tuple[NDArray[np.int64], pa.RecordBatch]
"""Numbers of rows, and the values of the columns that are read, as text."""


class TableFaultError(ValueError):
    """What is wrong with a table, to be put into parentheses after "is not a readable table"; may be empty."""


@dataclass(frozen=True, eq=False)
class CsvTable:
    """A CSV file whose header has been read.

    Attributes:
        path: the file, possibly gzipped.
        columns: names of its columns, in order, without surrounding spaces.
        encoding: of its text.
        separator: between values.
        n_before: lines before the header.
    """

    path: Path = field(repr=False)
    columns: tuple[str, ...]
    encoding: str
    separator: str
    n_before: int

    @classmethod
    def open(cls, path: Path) -> "CsvTable":
        """The table at `path`; its separator is the most frequent one in its header.

        Raises:
            TableFaultError: it has no header, or is not text.
            OSError: it cannot be read.
        """
        with _opened(path) as file:
            start = file.read(START_BYTES)
        for beginning, what in OTHER_FORMATS.items():
            if start.startswith(beginning):
                raise TableFaultError(what)
        encoding = _encoding(start)
        with _text(path, encoding) as lines:
            line, n_before = lines.readline(LONGEST_HEADER), 0
            if line.lower().startswith(SEPARATOR_LINE):
                line, n_before = lines.readline(LONGEST_HEADER), 1
        if REPLACED in line:
            raise TableFaultError(_where_not_text(path, encoding))
        separator = max(SEPARATORS, key=line.count)
        header = [name.strip() for name in next(csv.reader([line], delimiter=separator), [])]
        # Any bytes are UTF-16, so what begins like it by chance has neither a line break nor a separator.
        if not header or (encoding != UTF_8 and not line.endswith("\n") and separator not in line):
            raise TableFaultError("")
        return cls(path, tuple(header), encoding, separator, n_before)

    def batches(self, columns: Sequence[int]) -> Iterator[NumberedRows]:
        """The rows below the header with the values of `columns`, given by position, as text; some thousand at a time.

        Raises:
            TableFaultError: a row has more values than the header, a quotation mark is not closed, or a value is not text.
            OSError: the file cannot be read.
        """
        irregular = _IrregularRows(self, columns)
        try:
            yield from self._batches(columns, irregular, BLOCK_BYTES)
        except pa.ArrowInvalid as error:
            # Nothing has been given yet of a table whose rows are longer than a block.
            if STRADDLING not in str(error) or irregular.n_given:
                raise self._fault(error, irregular) from None
            irregular = _IrregularRows(self, columns)
            try:
                yield from self._batches(columns, irregular, LONG_ROWS_BYTES)
            except pa.ArrowInvalid as again:
                raise self._fault(again, irregular) from None

    def _batches(self, columns: Sequence[int], irregular: "_IrregularRows", block_bytes: int) -> Iterator[NumberedRows]:
        """`batches`, in blocks of `block_bytes` of the file, which must each hold a whole row."""
        n_values = len(self.columns) + irregular.n_beyond
        names = list(map(str, range(n_values)))
        # What stands beyond the header is converted too, so that it can be refused where it is not blank.
        wanted = [names[column] for column in columns] + names[len(self.columns) :]
        read = arrow_csv.ReadOptions(
            column_names=names,
            skip_rows=self.n_before,
            block_size=block_bytes,
            use_threads=False,  # only then does pyarrow number the rows that it hands over as irregular
            encoding="utf8" if self.encoding == UTF_8 else self.encoding,
        )
        parse = arrow_csv.ParseOptions(
            delimiter=self.separator, newlines_in_values=True, ignore_empty_lines=False, invalid_row_handler=irregular
        )
        convert = arrow_csv.ConvertOptions(
            include_columns=wanted, column_types=dict.fromkeys(wanted, pa.string()), strings_can_be_null=False
        )
        with _opened(self.path) as file, arrow_csv.open_csv(file, read, parse, convert) as reader:
            for batch in reader:
                yield irregular.completed(batch)
        yield irregular.rest()
        _refuse_open_quotation(self.path, self.encoding, self.separator)

    def _fault(self, error: pa.ArrowInvalid, irregular: "_IrregularRows") -> TableFaultError:
        if irregular.fault:
            return TableFaultError(irregular.fault)
        return TableFaultError(_where_not_text(self.path, self.encoding) if BAD_TEXT in str(error) else "")


class _IrregularRows:
    """The rows with fewer or more values than the header, which pyarrow hands over as text, and the numbers of all rows."""

    def __init__(self, table: CsvTable, columns: Sequence[int]) -> None:
        """None yet, of `table` and of its `columns`, by position."""
        self._table, self._columns = table, list(columns)
        self._waiting: dict[int, list[str]] = {}
        self._next = 1
        self.n_beyond = int(_has_one_value_more(table))
        self.n_given = 0
        self.fault = ""

    def __call__(self, row: Any) -> str:
        """pyarrow's handler: keep the row and go on ("skip"), or stop ("error")."""
        number, n_columns = row.number - self._table.n_before, len(self._table.columns)
        try:
            values = next(csv.reader(io.StringIO(row.text, newline=""), delimiter=self._table.separator, strict=True), [])
        except csv.Error:
            self.fault = f"a quotation mark in row {number:,} is not closed"
            return "error"
        if any(value.strip() for value in values[n_columns:]):
            self.fault = f"row {number:,} has {len(values):,} values and the header {n_columns:,}"
            return "error"
        values = [*values, *[""] * n_columns]
        self._waiting[number] = [values[column] for column in self._columns]
        return "skip"

    def completed(self, batch: pa.RecordBatch) -> NumberedRows:
        """The regular rows of `batch` and the irregular ones between them, without the header and blank rows."""
        if self.n_beyond and (beyond := pc.index(pc.equal(batch.column(batch.num_columns - 1), ""), False).as_py()) >= 0:
            self.fault = f"a row after row {self._next + beyond - 1:,} has more values than the header"
            raise TableFaultError(self.fault)
        regular = batch.select(range(len(self._columns)))
        numbers = np.arange(self._next, self._next + len(regular) + len(self._waiting))
        if self._waiting:
            numbers = numbers[~np.isin(numbers, list(self._waiting))][: len(regular)]
        if len(numbers):
            self._next = int(numbers[-1]) + 1
        return self._given(numbers, regular, [number for number in self._waiting if number < self._next])

    def rest(self) -> NumberedRows:
        """The irregular rows after the last regular one."""
        nothing = pa.RecordBatch.from_arrays([pa.array([], pa.string())] * len(self._columns), list(map(str, self._columns)))
        return self._given(np.zeros(0, dtype=np.int64), nothing, list(self._waiting))

    def _given(self, numbers: NDArray[np.int64], rows: pa.RecordBatch, irregular: list[int]) -> NumberedRows:
        """`rows` with the rows numbered `irregular` among them."""
        if irregular:
            values = list(zip(*(self._waiting.pop(number) for number in irregular), strict=True))
            taken = pa.RecordBatch.from_arrays([pa.array(column, pa.string()) for column in values], rows.schema.names)
            numbers = np.concatenate([numbers, np.array(irregular, dtype=np.int64)])
            rows = pa.concat_batches([rows, taken]).take(np.argsort(numbers))
            numbers = np.sort(numbers)
        if len(numbers) and numbers[0] == HEADER_ROW:
            numbers, rows = numbers[1:], rows.slice(1)
        self.n_given += len(rows)
        return not_blank(numbers, rows)


def not_blank(numbers: NDArray[np.int64], rows: pa.RecordBatch) -> NumberedRows:
    """Those of `rows`, all text, that hold more than spaces, with their `numbers`."""
    blank = np.ones(len(rows), dtype=bool)
    for column in rows.columns:
        blank &= pc.equal(pc.utf8_trim_whitespace(column), "").to_numpy(zero_copy_only=False)
        if not blank.any():
            return numbers, rows
    return numbers[~blank], rows.filter(pa.array(~blank))


def _refuse_open_quotation(path: Path, encoding: str, separator: str) -> None:
    """Check that every quotation mark is closed: pyarrow takes all that follows an open one, to the end of the file, for one value.

    Raises:
        TableFaultError: one is not.
    """
    n_marks = 0
    with _opened(path) as file:
        while piece := file.read(PIECE_BYTES):
            n_marks += piece.count(b'"')
    if n_marks % 2 == 0:  # marks are in pairs, doubled ones within a value too; only an odd number can leave one open
        return
    number = 0
    try:
        with _text(path, encoding) as lines:
            for _ in csv.reader(lines, delimiter=separator, strict=True):
                number += 1
    except csv.Error as error:
        # A mark within a value, as in 5'10", is another fault of strict reading, and none here.
        if OPEN_QUOTATION in str(error):
            raise TableFaultError(f"a quotation mark in row {number + 1:,} is not closed") from None


def _has_one_value_more(table: CsvTable) -> bool:
    """Whether the first row below the header ends with a separator that the header does not end with."""
    with _text(table.path, table.encoding) as lines:
        rows = csv.reader(islice(lines, table.n_before, None), delimiter=table.separator)
        next(rows, None)
        try:
            first = next(rows, [])
        except csv.Error:
            return False
    return len(first) == len(table.columns) + 1 and not first[-1].strip()


def _opened(path: Path) -> Any:
    return pa.input_stream(str(path), compression="gzip" if path.suffix.lower() == ".gz" else None)


def _text(path: Path, encoding: str) -> IO[str]:
    """The file as text; what is no text has a replacement character, since it may stand in a column that is not used."""
    if path.suffix.lower() == ".gz":
        return gzip.open(path, "rt", encoding=encoding, newline="", errors="replace")
    return path.open(encoding=encoding, newline="", errors="replace")


def _encoding(start: bytes) -> str:
    """The encoding of text that begins with `start`: as its byte order mark says, else UTF-16 where every other byte is 0, else UTF-8."""
    for mark, encoding in BYTE_ORDER_MARKS:
        if start.startswith(mark):
            return encoding
    if len(start) >= 4 and start[1:40:2].count(0) == len(start[1:40:2]):
        return "utf-16-le"
    return "utf-16-be" if len(start) >= 4 and start[0:40:2].count(0) == len(start[0:40:2]) else UTF_8


def _where_not_text(path: Path, encoding: str) -> str:
    """Which line of the file is not text in `encoding`, in words; empty if it cannot be said."""
    if encoding != UTF_8:
        return "it is not text in UTF-16"
    with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                line.decode("utf-8")
            except UnicodeError:
                return f"line {number:,} is not text in UTF-8"
    return ""
