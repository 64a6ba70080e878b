"""A folder of DICOM files as exported by a PACS, with labels from a separate table; see docs/sources/dicom-folder.md."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

import pandas as pd

from dpmed_core.cohort.schema import STUDY_ORDER
from dpmed_core.cohort.sources.dicom_series import ATTRIBUTES, IS_SLICE, SERIES, SeriesRows, by_series, series_facts
from dpmed_core.cohort.sources.files import files_below
from dpmed_core.cohort.sources.request import ImportRequest, Match
from dpmed_core.cohort.sources.rows import Source
from dpmed_core.cohort.sources.tables import Table, TableRows
from dpmed_core.cohort.sources.values import column_name
from dpmed_core.errors import CohortError, ImageError
from dpmed_core.imaging.dicom.header import looks_like_dicom, read_header, silenced_warnings
from dpmed_core.imaging.modality import Modality
from dpmed_core.phrases import counted

IDENTITY = ("PatientID", "IssuerOfPatientID", "SOPInstanceUID", "AccessionNumber")
"""Attributes that distinguish files and patients; held while the folder is read, and stored only as keyed hashes."""
MATCHING: dict[Match, tuple[str, ...]] = {
    Match.SOP: ("sop_instance_uid", "sopinstanceuid", "sop_uid", "instance_uid"),
    Match.ACCESSION: ("accession_number", "accessionnumber", "accession"),
    Match.FILE: ("image", "file", "file_name", "filename", "path"),
    Match.SERIES: ("series_instance_uid", "seriesinstanceuid", "series_uid"),
}
"""Names, in any case, of the column of labels that joins; the first one is shown in messages."""
TIMES = ("StudyDate", "StudyTime")
"""Attributes that put a patient's studies into their order; of that only ranks are stored."""
FROM_LABELS = ("patient_id", "age", "sex", "split", STUDY_ORDER)
DICOM_TIME = re.compile(r"\d{4}(?:\d{2}(?:\.\d{1,6})?)?")
START_BYTES = 132
DIRECTORY = "DICOMDIR"


def read_dicom_folder(request: ImportRequest) -> Source:
    """The DICOM files below `request.path`, numbered from 1 in the order of their paths, each with its row of `request.labels`.

    The table of labels may also have patient_id, age, sex, split and study_order; otherwise patient, age, sex and the order of studies are
    taken from the header.
    Without a table the cohort has no findings: it can be viewed, but models cannot be trained on it.

    Raises:
        CohortError: there is no DICOM file, or the labels cannot be joined.
    """
    if not request.path.is_dir():
        raise CohortError("PATH is not a folder: give the folder that holds the DICOM files.")
    files, n_others = _files(request.path)
    if files.empty:
        raise CohortError("The folder holds no DICOM file: give the folder that holds the exported files.")
    if request.modality is Modality.CT:
        return _read_series(files, request, n_others)
    notes = ["Rows number the DICOM files in the order of their paths."]
    table, columns, more = _labelled(files, request, n_others)
    return Source(TableRows(table, request.path, columns, request.uncertain), *_named(request), notes=(*notes, *more))


def _read_series(files: pd.DataFrame, request: ImportRequest, n_others: int) -> Source:
    """One row per CT series.

    Raises:
        CohortError: there is none, or the labels cannot be joined.
    """
    series = by_series(files, file_column=Match.FILE.value)
    if series.table.empty:
        raise CohortError("The folder holds no CT slice: give the folder that holds the exported CT, or leave out --modality ct.")
    notes = ["Rows number the CT series in the order of the paths of their first files."]
    if series.n_left_out:
        left_out = counted(series.n_left_out, "DICOM file that is not a CT slice", "DICOM files that are not CT slices")
        notes.append(f"{left_out} (localizers, reports, other modalities) {'was' if series.n_left_out == 1 else 'were'} left out.")
    table, columns, more = _labelled(series.table, request, n_others)
    return Source(
        SeriesRows(TableRows(table, request.path, columns, request.uncertain), series.files), *_named(request), notes=(*notes, *more)
    )


def _labelled(files: pd.DataFrame, request: ImportRequest, n_others: int) -> tuple[pd.DataFrame, tuple[str, ...], list[str]]:
    """(the rows with their labels, the columns of labels, notes).

    Raises:
        CohortError: the labels cannot be joined.
    """
    notes = []
    if n_others:
        notes.append(f"{counted(n_others, 'file that is not DICOM was', 'files that are not DICOM were')} left out.")
    if request.labels is None:
        if request.findings or request.comorbidities:
            raise CohortError("Findings were named without a table that holds them: name the table with --labels.")
        return files[["image", "patient_id", STUDY_ORDER]], (), [*notes, NO_LABELS]
    columns = (*request.findings, *request.comorbidities)
    table, unused = _with_labels(files, request, columns)
    if unused:
        notes.append(f"{counted(unused, 'row of the labels belongs', 'rows of the labels belong')} to none of the files.")
    return table, columns, notes


def _named(request: ImportRequest) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The findings and co-morbidities of the rows; none without a table of labels."""
    return (request.findings, request.comorbidities) if request.labels is not None else ((), ())


def _files(root: Path) -> tuple[pd.DataFrame, int]:
    """(the DICOM files with the columns image, patient_id and those that join; the number of other files)."""
    found, n_others = [], 0
    with silenced_warnings():
        for path in files_below(root):
            if PurePosixPath(path).name == DIRECTORY or not _is_dicom(root / path):
                n_others += 1
                continue
            found.append({"image": path, Match.FILE.value: path, **_identity(root / path)})
    table = pd.DataFrame(found, dtype=str)
    table.index = pd.RangeIndex(1, 1 + len(table))
    return table, n_others


def _is_dicom(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return looks_like_dicom(file.read(START_BYTES))
    except OSError:
        return False


def _identity(path: Path) -> dict[str, str]:
    """Patient, time, SOP instance, accession and series of the file at `path`; blank if damaged, as reading its pixels will report."""
    try:
        header = read_header(path, attributes=(*IDENTITY, *TIMES, *ATTRIBUTES), pixels=False)
    except ImageError:
        return {"patient_id": "", STUDY_ORDER: "", Match.SOP.value: "", Match.ACCESSION.value: "", SERIES: "", IS_SLICE: ""}
    patient, issuer = header.text("PatientID"), header.text("IssuerOfPatientID")
    return {
        "patient_id": f"{issuer}|{patient}" if issuer and patient else patient,
        STUDY_ORDER: study_moment(*map(header.text, TIMES)),
        Match.SOP.value: header.text("SOPInstanceUID"),
        Match.ACCESSION.value: header.text("AccessionNumber"),
        **series_facts(header),
    }


def study_moment(date: str, time: str) -> str:
    """Date and time of a study as a cell of the manifest; the date alone where there is no time, and blank where there is no date.

    >>> study_moment("19000214", "101500.5"), study_moment("1900.02.14", "10:15:00"), study_moment("", "1015")
    ('19000214T101500.5', '19000214', '')
    """
    date = date.replace(".", "")
    return f"{date}T{time}" if DICOM_TIME.fullmatch(time) and date else date


def _with_labels(files: pd.DataFrame, request: ImportRequest, columns: Sequence[str]) -> tuple[pd.DataFrame, int]:
    """(the files with their labels, the number of rows of labels that belong to no file).

    A file without a row of labels keeps a value that is not a label, by which the importer leaves it out and reports it.

    Raises:
        CohortError: no finding is named, or the labels cannot be joined.
    """
    if request.labels is None or not request.findings:
        raise CohortError("No finding to predict was named: name at least one column of the labels with --findings.")
    table = Table.open(request.labels, called="table of labels")
    match, column = _joining(table.columns, request)
    extra = [name for name in FROM_LABELS if name in table.columns or (name == STUDY_ORDER and request.study_order)]
    sources = [request.study_order or name if name == STUDY_ORDER else name for name in extra]
    used = table.named([column, *sources, *columns])
    rows = table.read(list(used.values())).set_axis(["joining", *extra, *columns], axis=1).drop_duplicates()
    rows["joining"] = rows["joining"].str.strip()
    _refuse_contradictions(rows)
    keys = _keys(files, match, rows["joining"])
    of_header = {"image": files["image"], "header_patient": files["patient_id"], "header_order": files[STUDY_ORDER]}
    joined = pd.DataFrame({**of_header, "joining": keys}, index=files.index)
    joined = joined.reset_index().merge(rows, on="joining", how="left").set_index("index")
    known = joined["joining"].isin(set(rows["joining"]))
    if not known.any():
        raise CohortError(
            f"None of the {counted(len(files), 'file', 'files')} is in column {column!r} of the labels: check the table, or choose another "
            "column with --match."
        )
    joined.loc[~known, list(columns)] = NOT_IN_LABELS
    joined = joined.fillna("")
    if "patient_id" not in extra:
        joined["patient_id"] = joined["header_patient"]
    if STUDY_ORDER not in extra:
        joined[STUDY_ORDER] = joined["header_order"]
    kept = ["image", "patient_id", STUDY_ORDER, *(name for name in extra if name not in ("patient_id", STUDY_ORDER)), *columns]
    return joined[kept], int((~rows["joining"].isin(set(keys))).sum())


NO_LABELS = "Models cannot be trained on this cohort, since it has no labels."
NOT_IN_LABELS = "no row of the labels"
"""In place of the labels of a file without a row; not a valid label, so the row is left out."""


def _joining(labels: Sequence[str], request: ImportRequest) -> tuple[Match, str]:
    """What joins, and the column of labels for it.

    A column of series joins CT scans before any other, and radiographs only if `request.match` says so.

    Raises:
        CohortError: no column, or more than one, could join.
    """
    names = {column_name(name): name for name in labels}
    found = {match: names[alias] for match, aliases in MATCHING.items() for alias in aliases[::-1] if alias in names}
    if request.match is not None:
        found = {match: column for match, column in found.items() if match is request.match}
    elif Match.SERIES in found:
        is_series = request.modality is Modality.CT
        found = {match: column for match, column in found.items() if (match is Match.SERIES) is is_series}
    if len(found) != 1:
        kinds = ", ".join(f"{match} ({aliases[0]})" for match, aliases in MATCHING.items())
        columns = "several columns that could join" if found else "no column that joins"
        raise CohortError(f"The table of labels has {columns} it with the files: choose one with --match, out of {kinds}.")
    return next(iter(found.items()))


def _refuse_contradictions(rows: pd.DataFrame) -> None:
    if n_twice := int(rows["joining"].duplicated().sum()):
        contradicting = counted(n_twice, "row of the labels contradicts", "rows of the labels contradict")
        raise CohortError(f"{contradicting} an earlier row of the same file or accession number: keep one row for each.")


def _keys(files: pd.DataFrame, match: Match, labels: Iterable[str]) -> "pd.Series[str]":
    """The value of the labels' joining column for each file.

    Files are matched by the most specific name that both sides share: whole path, path without suffix, file name, or file name without
    suffix.
    """
    if match is not Match.FILE:
        return files[match.value]
    label_of: dict[str, str | None] = {}
    for level in range(len(_names(""))):
        found: dict[str, str | None] = {}
        for label in labels:
            name = _names(label)[level]
            found[name] = label if found.get(name, label) == label else None  # a name that two rows share is ambiguous
        label_of = {**found, **label_of}  # more specific names, found before, take precedence
    return files[match.value].map(lambda path: next((label for name in _names(path) if (label := label_of.get(name))), path))


def _names(path: str) -> tuple[str, str, str, str]:
    """The names of a path, the most specific first: the whole path, the path without suffix, the file name, the name without suffix."""
    pure = PurePosixPath(path or "-")
    return path, str(pure.with_suffix("")), pure.name, pure.stem
