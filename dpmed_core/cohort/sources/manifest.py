"""The manifest: the user's own table with one row per image."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from dpmed_core.cohort.sources.rows import Source
from dpmed_core.cohort.sources.tables import TableRows, read_table, require_columns
from dpmed_core.errors import CohortError

REQUIRED = ("image", "patient_id")
OPTIONAL = ("age", "sex", "split")


def read_manifest(path: Path, *, images_dir: Path | None, findings: Sequence[str], comorbidities: Sequence[str]) -> Source:
    """The rows of the manifest at `path`, each parsed or with its problems.

    Args:
        path: a CSV, Parquet or Excel file.
        images_dir: folder to which image paths are relative; None for the manifest's folder.
        findings: columns to predict.
        comorbidities: columns of co-morbidities.

    Raises:
        CohortError: the file as a whole cannot be used.
    """
    table = read_table(path, called="manifest")
    if not findings:
        raise CohortError("No finding to predict was named: name at least one column with --findings.")
    columns = (*findings, *comorbidities)
    wanted = [*REQUIRED, *columns]
    repeated = sorted(name for name, count in Counter(wanted).items() if count > 1)
    repeated += sorted(str(name) for name, count in Counter(table.columns).items() if count > 1)
    if repeated:
        raise CohortError(f"Column {repeated[0]!r} is named or occurs twice: use each column once.")
    require_columns(table, wanted, called="manifest")
    root = images_dir or path.parent
    if not root.is_dir():
        raise CohortError("The folder of --images does not exist: name the folder to which image paths are relative.")
    used = [name for name in (*wanted, *OPTIONAL) if name in table.columns]
    return Source(TableRows(table[used], root, columns), tuple(findings), tuple(comorbidities))
