"""The manifest: the user's own table with one row per image."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from dpmed_core.cohort.schema import STUDY_ORDER
from dpmed_core.cohort.sources.attribute_value import AttributeValue
from dpmed_core.cohort.sources.rows import Source
from dpmed_core.cohort.sources.tables import Table, TableRows
from dpmed_core.cohort.sources.values import Uncertain
from dpmed_core.errors import CohortError

REQUIRED = ("image", "patient_id")
OPTIONAL = ("age", "sex", "split", STUDY_ORDER)


def read_manifest(
    path: Path,
    *,
    images_dir: Path | None,
    findings: Sequence[str],
    comorbidities: Sequence[str],
    uncertain: Uncertain | None = None,
    study_order: str | None = None,
) -> Source:
    """The rows of the manifest at `path`, each parsed or with its problems; of its columns, only those that are used are read.

    A column is found by its name, or by its name but for capital letters and punctuation ("Patient ID" for patient_id).

    Args:
        path: a CSV, Parquet or Excel file.
        images_dir: folder to which image paths are relative; None for the manifest's folder.
        findings: columns to predict.
        comorbidities: columns of co-morbidities; or a column and one of its values, as in view=AP (`attribute_value`).
        uncertain: what uncertain labels (-1) become; None if they are problems of their rows.
        study_order: column with the order of a patient's studies; None for one of that name, if there is one.

    Raises:
        CohortError: the file as a whole cannot be used.
    """
    table = Table.open(path, called="manifest")
    if not findings:
        raise CohortError("No finding to predict was named: name at least one column with --findings.")
    parsed = [(text, None if text in table.columns else AttributeValue.parse(text)) for text in comorbidities]
    of_value = {one.name: one for _, one in parsed if one}
    comorbidities = [one.name if one else text for text, one in parsed]
    columns = (*findings, *comorbidities)
    wanted = [*REQUIRED, *columns]
    if repeated := sorted(name for name, count in Counter(wanted).items() if count > 1):
        raise CohortError(f"Column {repeated[0]!r} is named or occurs twice: use each column once.")
    found = table.named([name for name in wanted if name not in of_value])
    values_in = {name: table.named([one.column])[one.column] for name, one in of_value.items()}
    found |= table.named([name for name in OPTIONAL if name not in wanted and table.has(name)])
    if study_order is not None:
        found[STUDY_ORDER] = table.named([study_order])[study_order]
    if repeated := sorted(name for name, count in Counter(found.values()).items() if count > 1):
        raise CohortError(f"Column {repeated[0]!r} is used twice: use each column once.")
    root = images_dir or path.parent
    if not root.is_dir():
        raise CohortError("The folder of --images does not exist: name the folder to which image paths are relative.")
    read = table.read(list(dict.fromkeys([*found.values(), *values_in.values()])))
    text = read[list(found.values())].set_axis(list(found), axis=1)
    for name, one in of_value.items():
        text[name] = one.flags(read[values_in[name]])
    renamed = [f"{column!r} as {name}" for name, column in found.items() if column != name and study_order != column]
    notes = (f"Columns were read under other names: {', '.join(renamed)}.",) if renamed else ()
    return Source(TableRows(text, root, columns, uncertain), tuple(findings), tuple(comorbidities), notes=notes)
