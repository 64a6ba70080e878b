"""The rows of an evaluation as plain values, exactly as pages show them, and back."""

import math
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import numpy as np
import pandas as pd

from dpmed_core.evaluation.tables.all_tables import EvaluationTables
from dpmed_core.privacy.ledger.chain import canonical

OF_AUROC = ("utility", "overall", "groups", "gaps", "costs", "size_loss", "unknowns")
OF_ALL = (
    *("verdicts", "rates", "practice", "practice_differences", "parity", "disparity", "calibration", "net_benefit", "reliability"),
    "guarantees",
)
"""Left out are ROC curves, which have up to millions of points; they follow from the runs' stored scores, whose digests are frozen."""


def frozen_tables(tables: EvaluationTables, *, recipe: str, unit: str) -> dict[str, Any]:
    """The rows of one recipe and unit, at all budgets and without privacy, by table."""
    found = {name: getattr(tables.auroc, name) for name in OF_AUROC} | {name: getattr(tables, name) for name in OF_ALL}
    return {name: to_fields(_only(table, recipe=recipe, unit=unit)) for name, table in found.items()}


def _only(table: pd.DataFrame, *, recipe: str, unit: str) -> pd.DataFrame:
    for column, value in (("recipe", recipe), ("unit", unit)):
        if column in table.columns:
            table = table[table[column] == value]
    return table.reset_index(drop=True)


def to_fields(table: pd.DataFrame) -> dict[str, Any]:
    """A table as plain values: names and types of its columns, and its rows; a missing number is null, an infinite one a word."""
    kinds = [[str(name), str(kind)] for name, kind in table.dtypes.items()]
    columns = [[_plain(value) for value in table[name].tolist()] for name in table.columns]
    return {"columns": kinds, "rows": [list(row) for row in zip(*columns, strict=True)]}


def from_fields(fields: Mapping[str, Any]) -> pd.DataFrame:
    """The table that `to_fields` was given.

    >>> table = pd.DataFrame({"a": [1.5, np.nan, np.inf], "b": [1, 2, 3], "c": ["x", None, ""], "d": [True, False, True]})
    >>> from_fields(to_fields(table)).equals(table)
    True
    """
    rows = fields["rows"]
    columns = {}
    for place, (name, kind) in enumerate(fields["columns"]):
        values = [row[place] for row in rows]
        if kind.startswith("float"):
            values = [math.nan if value is None else float(value) for value in values]
        columns[name] = pd.Series(values, dtype=kind, index=range(len(rows)))
    return pd.DataFrame(columns, index=range(len(rows)))


def digest_of_table(fields: Mapping[str, Any]) -> str:
    """The SHA-256 of a table's plain values, in hexadecimal digits."""
    return sha256(canonical(fields).encode()).hexdigest()


def changed_tables(frozen: Mapping[str, Any], tables: Mapping[str, Any]) -> list[str]:
    """The names of the frozen tables whose rows are not those that were frozen, or are missing: they were changed outside DPMed."""
    digests = {name: digest_of_table(table) for name, table in tables.items()}
    said = {name: table["sha256"] for name, table in frozen["tables"].items()}
    return sorted(name for name in {*digests, *said} if digests.get(name) != said.get(name))


def _plain(value: object) -> object:
    if value is None or value is pd.NA:
        return None
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None if math.isnan(value) else str(value)
    return value if isinstance(value, bool | int | str) else str(value)
