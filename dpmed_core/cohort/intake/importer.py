"""Importing: the rows of a source become a cohort, or are left out with a reason."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpmed_core.cohort.intake.canonical_order import arrange, store_pixels
from dpmed_core.cohort.intake.journal import Journal
from dpmed_core.cohort.intake.read_all import read_all
from dpmed_core.cohort.intake.row_table import RowTable, SelectedRows, no_usable_row, select_rows
from dpmed_core.cohort.intake.stored_side import size_notes, stored_side
from dpmed_core.cohort.persons import persons_of_images
from dpmed_core.cohort.report import Check, ImportReport, Problem, Severity, by_weight
from dpmed_core.cohort.sources.manifest import read_manifest
from dpmed_core.cohort.sources.rows import Source
from dpmed_core.cohort.split import DEFAULT_SPLIT_SEED, keyed_parts
from dpmed_core.cohort.store import CohortStore
from dpmed_core.cohort.validation.inputs import ValidationInputs, measure
from dpmed_core.cohort.validation.validate import validate
from dpmed_core.imaging.header_warnings import ImageWarnings
from dpmed_core.imaging.modality import Modality, Sex
from dpmed_core.imaging.stored_format import FORMS, form_of

READERS = {Modality.RADIOGRAPH: "reader 4", Modality.CT: f"reader 2, {FORMS[Modality.CT]}"}
"""Version of the reader, part of the name of an import's draft; of CT with the stored form, of radiographs see `_reader`.

Increase the number whenever the same file would be stored differently: an import that an older version began is then not resumed.
"""

Progress = Callable[[int, int], None]


def import_manifest(
    store: CohortStore,
    name: str,
    *,
    manifest: Path,
    images_dir: Path | None,
    findings: Sequence[str],
    comorbidities: Sequence[str] = (),
    modality: Modality = Modality.RADIOGRAPH,
    pixels: int | None = None,
    synthetic: bool = False,
    progress: Progress | None = None,
    workers: int | None = None,
) -> ImportReport:
    """Import the images that a manifest lists; see `read_manifest` and `import_source` for the arguments.

    Raises:
        CohortError: the name or the manifest cannot be used, or no row can.
    """
    return import_source(
        store,
        name,
        read_manifest(manifest, images_dir=images_dir, findings=findings, comorbidities=comorbidities),
        modality=modality,
        pixels=pixels,
        synthetic=synthetic,
        progress=progress,
        workers=workers,
    )


def import_source(
    store: CohortStore,
    name: str,
    source: Source,
    *,
    modality: Modality = Modality.RADIOGRAPH,
    pixels: int | None = None,
    synthetic: bool = False,
    progress: Progress | None = None,
    workers: int | None = None,
    one_writing: bool = False,
) -> ImportReport:
    """Import the images that `source` lists; the report of what was imported and what was left out.

    Rows with a problem are left out and reported. A patient whose rows name different parts of the split is left out entirely.
    The cohort appears when everything has been read, complete, or not at all. An interrupted import is resumed if the same import is
    started again within a day.

    Args:
        store: of the new cohort.
        name: of the new cohort.
        source: its rows.
        modality: of the images.
        pixels: side of stored radiographs, one of `stored_format.SIDES`; None for what `stored_side` chooses.
        synthetic: the images were drawn by DPMed's phantoms.
        progress: called with the number of images done and their total; an exception that it raises stops the import.
        workers: processes that read; 0 for this process alone, None for as many as save time.
        one_writing: identifiers that differ only in writing are one patient's; the owner of the data said so.

    Raises:
        CohortError: the name cannot be used, no row can, or the same import is already running.
    """
    store.refuse_unusable(name)
    rows = select_rows(source, key=store.key, one_writing=one_writing)
    # The draft's name covers everything that decides the result, so only exactly the same import resumes it.
    side = stored_side(rows.row_table, modality, pixels)
    with store.resumable_draft(rows.row_table.digest(store.key, name, modality, _reader(modality, side))) as draft:
        how = _HowRead(store.key, modality, side, synthetic=synthetic, workers=workers, progress=progress)
        read = _read_into(draft, rows, source, how)
        store.publish(
            name,
            draft,
            modality=modality,
            synthetic=synthetic,
            findings=source.findings,
            comorbidities=source.comorbidities,
            cases=read.cases,
            report=read.report,
            patients_known=source.patients_known,
            persons=read.identified or persons_of_images(read.cases["patient_id"], map(bytes, read.digests_at_128), key=store.key),
            source=source.kind,
            digests_at_128=read.digests_at_128,
        )
    return read.report


def check_source(
    rows: SelectedRows, source: Source, draft: Path, *, key: bytes, modality: Modality, side: int, progress: Progress | None = None
) -> ImportReport:
    """The report that importing `source` would give; nothing is stored but what `draft` holds, which the caller removes.

    Args:
        rows: of the source, selected with the same key.
        source: what would be imported.
        draft: an empty folder, with room for the stored images.
        key: of keyed hashes.
        modality: of the images.
        side: of stored radiographs, in pixels.
        progress: called with the number of images done and their total.

    Raises:
        NoUsableRowError: no row can be used.
    """
    return _read_into(draft, rows, source, _HowRead(key, modality, side, progress=progress)).report


def _reader(modality: Modality, side: int) -> str:
    """Version of the reader and stored form."""
    return f"{READERS[modality]}, {side} pixels" if modality is Modality.RADIOGRAPH else READERS[modality]


@dataclass(frozen=True, eq=False)
class _HowRead:
    """How images are read; see `import_source`, and `stored_side` for the side."""

    key: bytes = field(repr=False)
    modality: Modality
    side: int
    synthetic: bool = False
    workers: int | None = None
    progress: Progress | None = None


@dataclass(frozen=True, eq=False)
class _ReadCohort:
    """A cohort as read into a draft.

    Attributes:
        cases: in canonical order.
        digests_at_128: SHA-256 of their pixels as 128 stores radiographs, by which images are recognised in other cohorts.
        identified: patient_id -> person, from the source's identifiers; empty where they say nothing.
        report: of the import.
    """

    cases: pd.DataFrame
    digests_at_128: NDArray[np.uint8]
    identified: dict[str, str]
    report: ImportReport


def _read_into(draft: Path, rows: SelectedRows, source: Source, how: _HowRead) -> _ReadCohort:
    """The cohort of `source`, its images read into `draft`, with its report."""
    journal = Journal.open(draft, rows.row_table, form_of(how.modality, how.side))
    _read(rows.row_table, journal, how)
    problems = [*rows.problems, *_unreadable(rows.row_table, journal)]
    if not journal.is_read.any():
        raise no_usable_row(rows.n_rows, problems)
    # Only now is the order of cases known, which depends on the digests of all images: pixels are copied from slots into it.
    cases, indices = arrange(rows.row_table, journal, key=how.key)
    images = draft / "images.npy"
    store_pixels(journal, images, indices)
    # Numbers that a source gives to its images, or a phantom to its patients, are given again by the next one: they identify nobody.
    identified = _identified(rows, cases) if source.patients_known and not how.synthetic else {}
    inputs = _validation_inputs(cases, rows.row_table, journal, source, identified, indices=indices, images=images, key=how.key)
    report = _report(rows, cases, problems, source, inputs, journal.image_warnings, side=how.side)
    return _ReadCohort(cases, journal.digests_at_128[indices], identified, report)


def _identified(rows: SelectedRows, cases: pd.DataFrame) -> dict[str, str]:
    """patient_id -> person of the patients that are stored, from the source's identifiers."""
    return {patient: rows.persons.get(patient, patient) for patient in cases["patient_id"].unique()}


def _read(row_table: RowTable, journal: Journal, how: _HowRead) -> None:
    """Read the images that the journal lacks, and report progress."""
    done = journal.n_resumed
    chunks = read_all(row_table.images, journal.unread(), modality=how.modality, side=how.side, workers=how.workers)
    for count in journal.follow(chunks):
        done += count
        if how.progress:
            how.progress(done, len(row_table))


def _unreadable(row_table: RowTable, journal: Journal) -> list[Problem]:
    """A problem for each image that cannot be read; the error's message gets its subject here."""
    return [Problem(row_table.rows[index], "image", f"the {journal.form.noun} {message}") for index, message in journal.failures.items()]


def _validation_inputs(
    cases: pd.DataFrame,
    row_table: RowTable,
    journal: Journal,
    source: Source,
    persons: dict[str, str],
    *,
    indices: NDArray[np.intp],
    images: Path,
    key: bytes,
) -> ValidationInputs:
    """The inputs of the checks; without a split of the source's own, parts are those of the default split."""
    own_split = bool(cases["split"].notna().all())
    parts = cases["split"].to_numpy(dtype=np.str_) if own_split else keyed_parts(cases["patient_id"], seed=DEFAULT_SPLIT_SEED, key=key)
    return ValidationInputs(
        cases=cases,
        findings=source.findings,
        comorbidities=source.comorbidities,
        rows=np.array([row_table.rows[index] for index in indices], dtype=np.int64),
        digests=journal.digests[indices],
        parts=parts,
        images=images,
        measured=measure(images),
        persons=persons,
    )


def _report(
    rows: SelectedRows,
    cases: pd.DataFrame,
    problems: Sequence[Problem],
    source: Source,
    inputs: ValidationInputs,
    image_warnings: ImageWarnings,
    *,
    side: int,
) -> ImportReport:
    """The import report: notes of the source, results of the checks, and counts."""
    notes = (Check("source", Severity.WARNING, 1, note) for note in (*source.notes, *size_notes(source.size, side)))
    checks = by_weight([*notes, *validate(inputs, problems, rows.split_conflicts, image_warnings, row_remarks=rows.remarks)])
    return ImportReport(
        n_rows=rows.n_rows,
        n_imported=len(cases),
        n_patients=int(cases["patient_id"].nunique()),
        n_unknown_age=int(cases["age"].isna().sum()),
        n_unknown_sex=int((cases["sex"] == Sex.UNKNOWN).sum()),
        problems=tuple(sorted(problems, key=lambda problem: problem.row or 0)),
        warnings=tuple(check.sentence for check in checks if check.severity is not Severity.NOTE),
        checks=checks,
        identifying_attributes=dict(sorted(image_warnings.attributes.items())),
    )
