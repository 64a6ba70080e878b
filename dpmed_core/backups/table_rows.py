"""The database's tables as lines of JSON, equal whatever database they are read from or written to."""

import json
from collections.abc import Iterable, Iterator, Mapping

from sqlalchemy import Connection, MetaData, Table, insert, inspect, select, text

from dpmed_core.database import metadata
from dpmed_core.errors import BackupError
from dpmed_core.migrations.migrate import LAST, TABLE, migrate

AT_ONCE = 500
"""Rows that are written by one statement."""


def lines_of(connection: Connection, table: Table) -> Iterator[bytes]:
    """The names of a table's columns, and then its rows in the order of its key, each as a line."""
    yield _line([column.name for column in table.columns])
    for row in connection.execute(select(table).order_by(*table.primary_key.columns)):
        yield _line(list(row))


def _line(values: list[object]) -> bytes:
    # Floats keep every digit in JSON as Python writes it: the ledger's seals are over them.
    return json.dumps(values, allow_nan=False, separators=(",", ":")).encode() + b"\n"


def tables_to_copy() -> list[Table]:
    """Every table, those first that others refer to."""
    return list(metadata.sorted_tables)


def replace_rows(connection: Connection, schema: str, content: Mapping[str, Iterable[bytes]], *, resumed: bool) -> None:
    """Make the database what a backup says, within the transaction of `connection`.

    Rows are written into the tables of the version that they were read from, and migrated from there.

    Args:
        connection: with the writers' lock.
        schema: the version of the backup's schema.
        content: the lines of each table by its name.
        resumed: what stands there is from an interrupted restore, and goes.

    Raises:
        BackupError: the database holds rows, or the backup is of a later version.
    """
    if schema > LAST:
        raise BackupError("The backup is of a later version of DPMed: restore it with that one.")
    present = set(inspect(connection).get_table_names())
    there = [table for table in reversed(tables_to_copy()) if table.name in present]
    if not resumed and any(connection.execute(select(table).limit(1)).first() for table in there):
        raise BackupError("The database holds rows: restore into an empty one.")
    for table in there:
        table.drop(connection)
    connection.execute(text(f"DROP TABLE IF EXISTS {TABLE}"))
    migrate(connection, to=schema)
    tables = MetaData()
    tables.reflect(connection, only=sorted(content))
    for table in tables.sorted_tables:
        _write_rows(connection, table, iter(content[table.name]))
    migrate(connection)


def _write_rows(connection: Connection, table: Table, lines: Iterator[bytes]) -> None:
    columns = json.loads(next(lines))
    waiting: list[dict[str, object]] = []
    for line in lines:
        waiting.append(dict(zip(columns, json.loads(line), strict=True)))
        if len(waiting) == AT_ONCE:
            connection.execute(insert(table), waiting)
            waiting = []
    if waiting:
        connection.execute(insert(table), waiting)
