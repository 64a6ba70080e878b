"""Importing: rows of a source become a cohort, or are left out with a reason."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpmed_core.cohort.intake.canonical_order import arrange, store_pixels
from dpmed_core.cohort.intake.journal import Journal
from dpmed_core.cohort.intake.read_all import read_all
from dpmed_core.cohort.intake.row_table import RowTable, Sorted, nothing_left, sort_out
from dpmed_core.cohort.report import Check, ImportReport, Problem, Severity, by_weight
from dpmed_core.cohort.sources.manifest import read_manifest
from dpmed_core.cohort.sources.rows import Source
from dpmed_core.cohort.split import DEFAULT_SPLIT_SEED, keyed_parts
from dpmed_core.cohort.store import CohortStore
from dpmed_core.cohort.validation.inputs import Material, measure
from dpmed_core.cohort.validation.validate import validate
from dpmed_core.imaging.header_warnings import Gathered
from dpmed_core.imaging.modality import Modality, Sex
from dpmed_core.imaging.stored_format import FORMS, STORED_SIZE

READERS = {Modality.RADIOGRAPH: f"reader 3, {STORED_SIZE} pixels", Modality.CT: f"reader 1, {FORMS[Modality.CT]}"}
"""Raised when the same file would be stored otherwise: what an older version read is then not gone on with."""

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
    synthetic: bool = False,
    progress: Progress | None = None,
    workers: int | None = None,
) -> ImportReport:
    """Import the images that a manifest lists, as `import_source` does.

    Raises:
        CohortError: the name or the manifest cannot be used, or no row can.
    """
    return import_source(
        store,
        name,
        read_manifest(manifest, images_dir=images_dir, findings=findings, comorbidities=comorbidities),
        modality=modality,
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
    synthetic: bool = False,
    progress: Progress | None = None,
    workers: int | None = None,
) -> ImportReport:
    """Import the images that `source` lists; the report of what came in and what was left out.

    Rows with a problem are left out and named. A patient whose rows name two splits is left out whole.
    The cohort appears whole when everything has been read, or not at all. An import that was cut off goes on where it stopped
    when the same one is asked for again.

    Args:
        store: where the cohort goes.
        name: what to call it.
        source: its rows.
        modality: what the images are.
        synthetic: drawn by a computer.
        progress: called with images done, of how many; what it raises stops the import.
        workers: processes that read; 0 for none, None for what pays.

    Raises:
        CohortError: the name cannot be used, no row can, or the same import is under way.
    """
    store.refuse_unusable(name)
    rows = sort_out(source, key=store.key)
    with store.lasting_draft(rows.row_table.digest(store.key, name, modality, READERS[modality])) as draft:
        journal = Journal.open(draft, rows.row_table, FORMS[modality])
        _read(rows.row_table, journal, modality, progress=progress, workers=workers)
        problems = [*rows.problems, *_unreadable(rows.row_table, journal)]
        if not journal.is_read.any():
            raise nothing_left(rows.n_rows, problems)
        cases, places = arrange(rows.row_table, journal, key=store.key)
        images = draft / "images.npy"
        store_pixels(journal, images, places)
        material = _material(cases, rows.row_table, journal, source, places=places, images=images, key=store.key)
        report = _report(rows, cases, problems, source, material, journal.gathered)
        store.publish(
            name,
            draft,
            modality=modality,
            synthetic=synthetic,
            findings=source.findings,
            comorbidities=source.comorbidities,
            cases=cases,
            report=report,
            patients_known=source.patients_known,
        )
    return report


def _read(row_table: RowTable, journal: Journal, modality: Modality, *, progress: Progress | None, workers: int | None) -> None:
    done = journal.n_resumed
    for count in journal.follow(read_all(row_table.images, journal.unread(), modality=modality, workers=workers)):
        done += count
        if progress:
            progress(done, len(row_table))


def _unreadable(row_table: RowTable, journal: Journal) -> list[Problem]:
    return [Problem(row_table.rows[place], "image", f"the {journal.form.noun} {message}") for place, message in journal.failures.items()]


def _material(
    cases: pd.DataFrame, row_table: RowTable, journal: Journal, source: Source, *, places: NDArray[np.intp], images: Path, key: bytes
) -> Material:
    own_split = bool(cases["split"].notna().all())
    parts = cases["split"].to_numpy(dtype=np.str_) if own_split else keyed_parts(cases["patient_id"], seed=DEFAULT_SPLIT_SEED, key=key)
    return Material(
        cases=cases,
        findings=source.findings,
        comorbidities=source.comorbidities,
        rows=np.array([row_table.rows[place] for place in places], dtype=np.int64),
        digests=journal.digests[places],
        parts=parts,
        images=images,
        measured=measure(images),
    )


def _report(
    rows: Sorted, cases: pd.DataFrame, problems: Sequence[Problem], source: Source, material: Material, gathered: Gathered
) -> ImportReport:
    told = (Check("source", Severity.WARNING, 1, note) for note in source.notes)
    checks = by_weight([*told, *validate(material, problems, rows.torn, gathered)])
    return ImportReport(
        n_rows=rows.n_rows,
        n_imported=len(cases),
        n_patients=int(cases["patient_id"].nunique()),
        n_unknown_age=int(cases["age"].isna().sum()),
        n_unknown_sex=int((cases["sex"] == Sex.UNKNOWN).sum()),
        problems=tuple(sorted(problems, key=lambda problem: problem.row or 0)),
        warnings=tuple(check.sentence for check in checks if check.severity is not Severity.NOTE),
        checks=checks,
        identifying_attributes=dict(sorted(gathered.attributes.items())),
    )
