"""Parquet tables as text, some thousand rows at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import compute as pc
from pyarrow import parquet

from dpmed_core.cohort.sources.cell_text import cell_text
from dpmed_core.cohort.sources.csv_table import HEADER_ROW, NumberedRows, not_blank

ROWS_AT_ONCE = 1 << 14
INDEX_COLUMN = "__index_level_"
"""pandas stores the labels of rows as a column of such a name."""


@dataclass(frozen=True, eq=False)
class ParquetTable:
    """A Parquet file whose schema has been read.

    Attributes:
        path: the file.
        columns: names of its columns, in order, without surrounding spaces.
    """

    path: Path = field(repr=False)
    columns: tuple[str, ...]

    @classmethod
    def open(cls, path: Path) -> "ParquetTable":
        """The table at `path`.

        Raises:
            ValueError: it is not a Parquet file.
            OSError: it cannot be read.
        """
        names = parquet.read_schema(path).names
        return cls(path, tuple(str(name).strip() for name in names if not str(name).startswith(INDEX_COLUMN)))

    def batches(self, columns: Sequence[int]) -> Iterator[NumberedRows]:
        """The rows with the values of `columns`, given by position, as text; they are numbered as if a header stood above them.

        Raises:
            ValueError: the file is damaged.
            OSError: it cannot be read.
        """
        first = HEADER_ROW + 1
        with parquet.ParquetFile(self.path) as file:
            names = [file.schema_arrow.names[column] for column in columns]
            for batch in file.iter_batches(ROWS_AT_ONCE, columns=names):
                texts = [_text(batch.column(name)) for name in names]
                rows = pa.RecordBatch.from_arrays(texts, list(map(str, range(len(names)))))
                yield not_blank(np.arange(first, first + len(rows)), rows)
                first += len(rows)


def _text(values: pa.Array) -> pa.Array:
    if isinstance(values, pa.DictionaryArray):
        values = values.dictionary_decode()
    if pa.types.is_string(values.type):
        return pc.fill_null(values, "")
    return pa.array([cell_text(value) for value in values.to_pylist()], pa.string())
