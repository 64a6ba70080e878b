"""Importing: rows of a source become a cohort, or are left out with a reason."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpmed_core.cohort.image import STORED_SIZE, StoredImage, read_image
from dpmed_core.cohort.remarks import Gathered
from dpmed_core.cohort.report import ImportReport, Problem
from dpmed_core.cohort.schema import CASE_COLUMNS, Modality, Sex
from dpmed_core.cohort.sources.manifest import read_manifest
from dpmed_core.cohort.sources.rows import Source, SourceRow
from dpmed_core.cohort.store import CohortStore
from dpmed_core.errors import CohortError, ImageError
from dpmed_core.keyed import keyed_hex

READING_THREADS = 2
CHUNK = 64
FEWEST_POSITIVES = 10

Progress = Callable[[int, int], None]


@dataclass(eq=False)
class _Intake:
    """What has been read so far: one record an image, the pixels in the draft's array in order of arrival."""

    pixels: NDArray[np.uint8]
    records: list[dict[str, object]] = field(default_factory=list)
    digests: list[bytes] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    gathered: Gathered = field(default_factory=Gathered)


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
) -> ImportReport:
    """Import the images that a manifest lists; the report of what came in and what was left out.

    Rows with a problem are left out and named. A patient whose rows name two splits is left out whole.
    The cohort appears whole when everything has been read, or not at all.

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
    )


def import_source(
    store: CohortStore,
    name: str,
    source: Source,
    *,
    modality: Modality = Modality.RADIOGRAPH,
    synthetic: bool = False,
    progress: Progress | None = None,
) -> ImportReport:
    """Import the images that `source` lists, as `import_manifest` does.

    Raises:
        CohortError: the name cannot be used, or no row can.
    """
    store.refuse_unusable(name)
    rows = list(source.rows)
    good, problems = _usable(rows)
    if not good:
        raise _no_row_left(len(rows), problems)
    with store.draft() as draft:
        intake = _Intake(np.lib.format.open_memmap(draft / "arriving.npy", "w+", np.uint8, (len(good), STORED_SIZE, STORED_SIZE)))
        intake.problems.extend(problems)
        _read_all(good, intake, key=store.key, progress=progress)
        if not intake.records:
            raise _no_row_left(len(rows), intake.problems)
        cases, order = _canonical(intake, source.findings, source.comorbidities, key=store.key)
        _store_pixels(draft, intake.pixels, order)
        report = _report(len(rows), cases, intake, source)
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


def case_id(patient: str, pixel_digest: bytes, occurrence: int, *, key: bytes) -> str:
    """A case's keyed name: its patient, its stored pixels and, among that patient's identical images, its number."""
    return keyed_hex(key, "case", patient, pixel_digest, str(occurrence))


def _usable(rows: Sequence[SourceRow]) -> tuple[list[SourceRow], list[Problem]]:
    """The rows to read, and the problems of the others."""
    problems = [problem for row in rows for problem in row.problems]
    good = [row for row in rows if not row.problems]
    parts: dict[str, set[object]] = defaultdict(set)
    for row in rows:
        if row.part is not None:
            parts[row.patient].add(row.part)
    torn = {patient for patient, found in parts.items() if len(found) > 1}
    split_given = any(row.part is not None for row in good)
    kept, told = [], set()
    for row in good:
        if row.patient in torn:
            if row.patient not in told:
                count = sum(other.patient == row.patient for other in good)
                problems.append(
                    Problem(
                        row.row,
                        "split",
                        f"this row's patient stands in two splits; all {count} rows of the patient are left out: give them one split.",
                    )
                )
            told.add(row.patient)
        elif split_given and row.part is None:
            problems.append(Problem(row.row, "split", "is blank while other rows name a split; fill it in, or leave the column out."))
        else:
            kept.append(row)
    return kept, problems


def _no_row_left(n_rows: int, problems: Sequence[Problem]) -> CohortError:
    first = problems[0].sentence() if problems else ""
    return CohortError(f"None of the {n_rows} rows can be used, so nothing was imported. The first problem: {first}")


def _read_all(rows: Sequence[SourceRow], intake: _Intake, *, key: bytes, progress: Progress | None) -> None:
    done = 0
    with ThreadPoolExecutor(READING_THREADS) as pool:
        for chunk in _chunks(rows):
            for row, outcome in zip(chunk, pool.map(_read_one, chunk), strict=True):
                if isinstance(outcome, ImageError):
                    intake.problems.append(Problem(row.row, "image", f"the file {outcome}"))
                else:
                    _take(row, outcome, intake, key=key)
            done += len(chunk)
            if progress:
                progress(done, len(rows))


def _read_one(row: SourceRow) -> StoredImage | ImageError:
    assert row.image is not None
    try:
        return read_image(row.image)
    except ImageError as error:
        return error


def _take(row: SourceRow, image: StoredImage, intake: _Intake, *, key: bytes) -> None:
    intake.pixels[len(intake.records)] = image.pixels
    intake.digests.append(sha256(image.pixels.tobytes()).digest())
    intake.gathered.add(row.row, image.remarks, image.identifying)
    age = row.age if row.age is not None else image.age
    intake.records.append(
        {
            "patient_id": keyed_hex(key, "patient", row.patient),
            "age": np.nan if age is None else float(age),
            "sex": (row.sex if row.sex is not Sex.UNKNOWN else image.sex).value,
            "split": None if row.part is None else row.part.value,
            **row.values,
        }
    )


def _canonical(
    intake: _Intake, findings: Sequence[str], comorbidities: Sequence[str], *, key: bytes
) -> tuple[pd.DataFrame, NDArray[np.intp]]:
    """The table in canonical order, and for each of its rows the place of its pixels."""
    cases = pd.DataFrame(intake.records)
    labels = [*findings, *comorbidities]
    cases[labels] = cases[labels].astype(np.float32)
    cases["digest"] = [digest.hex() for digest in intake.digests]
    # identical films of one patient are numbered by what their rows say, not by the files' order
    content = pd.Series(["|".join(map(str, row)) for row in cases.itertuples(index=False)])
    occurrence = cases.loc[content.sort_values(kind="stable").index].groupby(["patient_id", "digest"]).cumcount()
    cases["case_id"] = [
        case_id(patient, digest, int(occurrence[place]), key=key)
        for place, (patient, digest) in enumerate(zip(cases["patient_id"], intake.digests, strict=True))
    ]
    cases["split"] = cases["split"].astype(object)
    ordered = cases.sort_values(["patient_id", "case_id"])
    return ordered[[*CASE_COLUMNS, *labels]].reset_index(drop=True), ordered.index.to_numpy()


def _store_pixels(draft: Path, arrived: NDArray[np.uint8], order: NDArray[np.intp]) -> None:
    stored = np.lib.format.open_memmap(draft / "images.npy", "w+", np.uint8, (len(order), STORED_SIZE, STORED_SIZE))
    for place, source in enumerate(order):
        stored[place] = arrived[source]
    stored.flush()
    (draft / "arriving.npy").unlink()


def _report(n_rows: int, cases: pd.DataFrame, intake: _Intake, source: Source) -> ImportReport:
    unknown_age, unknown_sex = int(cases["age"].isna().sum()), int((cases["sex"] == Sex.UNKNOWN).sum())
    return ImportReport(
        n_rows=n_rows,
        n_imported=len(cases),
        n_patients=int(cases["patient_id"].nunique()),
        n_unknown_age=unknown_age,
        n_unknown_sex=unknown_sex,
        problems=tuple(sorted(intake.problems, key=lambda problem: problem.row or 0)),
        identifying_attributes=dict(sorted(intake.gathered.attributes.items())),
        warnings=(*source.notes, *intake.gathered.sentences(), *_warnings(cases, intake, source.findings, unknown_age, unknown_sex)),
    )


def _warnings(cases: pd.DataFrame, intake: _Intake, findings: Sequence[str], unknown_age: int, unknown_sex: int) -> Iterable[str]:
    if unknown_age:
        yield f"{unknown_age} images have no age; they are left out of comparisons by age."
    if unknown_sex:
        yield f"{unknown_sex} images have no sex; they are left out of comparisons by sex."
    for finding in findings:
        positives, known = int((cases[finding] == 1).sum()), int(cases[finding].notna().sum())
        if positives in (0, known):
            yield f"{finding} is {'present' if positives else 'absent'} in every image: no model can learn it."
        elif positives < FEWEST_POSITIVES:
            yield f"{finding} is present in {positives} images only: too few to judge a model by."
    yield from _duplicate_warnings(intake)


def _duplicate_warnings(intake: _Intake) -> Iterable[str]:
    patients: dict[bytes, Counter[object]] = defaultdict(Counter)
    for digest, record in zip(intake.digests, intake.records, strict=True):
        patients[digest][record["patient_id"]] += 1
    within = sum(count - 1 for owners in patients.values() for count in owners.values())
    across = sum(sum(owners.values()) for owners in patients.values() if len(owners) > 1)
    if within:
        yield f"{within} images repeat another image of the same patient pixel by pixel."
    if across:
        yield f"{across} images stand pixel by pixel under several patients: a patient may have two identifiers, who then counts as two."


def _chunks(rows: Sequence[SourceRow]) -> Iterable[list[SourceRow]]:
    iterator = iter(rows)
    while chunk := list(islice(iterator, CHUNK)):
        yield chunk
