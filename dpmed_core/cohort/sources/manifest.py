"""The manifest: a CSV with one row an image."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from dpmed_core.cohort.sources.rows import SourceRow, parse_row
from dpmed_core.errors import CohortError

REQUIRED = ("image", "patient_id")
HEADER_LINES = 1


def read_manifest(path: Path, *, images_dir: Path | None, findings: Sequence[str], comorbidities: Sequence[str]) -> list[SourceRow]:
    """The rows of the manifest at `path`, each parsed or with what is wrong with it.

    Args:
        path: the CSV file, UTF-8.
        images_dir: folder that image paths start from; None for the manifest's own.
        findings: columns to predict.
        comorbidities: columns of co-morbidities.

    Raises:
        CohortError: the file as a whole cannot be used.
    """
    table = _read_table(path)
    _refuse_missing_columns(table, findings, comorbidities)
    root = (images_dir or path.parent).resolve()
    if not root.is_dir():
        raise CohortError("The folder of --images does not exist: name the folder that image paths start from.")
    records = table.to_dict("records")
    return [
        parse_row(
            HEADER_LINES + 1 + number,
            {str(k): str(v) for k, v in record.items()},
            root=root,
            findings=findings,
            comorbidities=comorbidities,
        )
        for number, record in enumerate(records)
    ]


def _read_table(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise CohortError(f"There is no manifest {path.name!r}: give the path of a CSV file.")
    try:
        table = pd.read_csv(
            path,
            dtype=str,
            keep_default_na=False,
            encoding="utf-8-sig",
            skip_blank_lines=False,
            index_col=False,
            on_bad_lines="error",
            header=None,
        )
    except (ValueError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError):
        raise CohortError(
            f"The manifest {path.name!r} is not a readable CSV file: save it as comma-separated UTF-8 with one header line."
        ) from None
    table.columns = pd.Index([str(name).strip() for name in table.iloc[0]])
    table = table.iloc[1:].reset_index(drop=True)
    if table.empty:
        raise CohortError(f"The manifest {path.name!r} has no rows below its header.")
    return table


def _refuse_missing_columns(table: pd.DataFrame, findings: Sequence[str], comorbidities: Sequence[str]) -> None:
    if not findings:
        raise CohortError("No finding to predict was named: give at least one column with --findings.")
    wanted = [*REQUIRED, *findings, *comorbidities]
    repeated = sorted(name for name, count in Counter(wanted).items() if count > 1)
    repeated += sorted(name for name, count in Counter(table.columns).items() if count > 1)
    if repeated:
        raise CohortError(f"Column {repeated[0]!r} stands twice: name each column once.")
    missing = [name for name in wanted if name not in table.columns]
    if missing:
        raise CohortError(f"The manifest has no column {missing[0]!r}: it has {', '.join(table.columns)}.")
