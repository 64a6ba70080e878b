"""What cohort.json says of a stored cohort, read with all checks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from dpmed_core.cohort.report import ImportReport
from dpmed_core.errors import CohortError
from dpmed_core.files import UnreadableFileError, check_fields, read_object, unchanged_digest
from dpmed_core.imaging.modality import Modality
from dpmed_core.sealed_files import seal_of

FORMAT = 1
FACTS, REPORT, CASES, IMAGES, DIGESTS = "cohort.json", "report.json", "cases.parquet", "images.npy", "image-digests.npy"
DIGESTS_AT_128 = "image-digests-128.npy"
"""Only of cohorts with finer radiographs."""
_KINDS: Mapping[str, type] = {
    **dict.fromkeys(("format", "n_cases", "pixels"), int),
    **dict.fromkeys(("modality", "fingerprint"), str),
    **dict.fromkeys(("synthetic", "patients_known"), bool),
    **dict.fromkeys(("findings", "comorbidities", "spacing_mm"), list),
    "files": dict,
    "source": str,
}


@dataclass(frozen=True)
class CohortFacts:
    """The content of cohort.json; see `Cohort` for what the fields mean.

    Attributes:
        files: SHA-256 of the cohort's other files by name, but not of its images, of which `DIGESTS` holds one each; and, under the name
            of cohort.json, the seal of these facts. A cohort that an earlier version stored has fewer, or none.
        source: see `Cohort.source`.
        pixels: side of stored radiographs; None where that is 128, and of volumes.
    """

    modality: Modality
    synthetic: bool
    findings: tuple[str, ...]
    comorbidities: tuple[str, ...]
    n_cases: int
    fingerprint: str
    patients_known: bool = True
    spacing_mm: tuple[float, float, float] | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    source: str | None = None
    pixels: int | None = None

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> "CohortFacts":
        """The facts that were written.

        Raises:
            UnreadableFileError: a field is missing, of another type or not known, or the format is another one.
            ValueError, TypeError: a value cannot be used.
        """
        check_fields(fields, _KINDS, optional=frozenset({"patients_known", "spacing_mm", "files", "source", "pixels"}))
        if fields["format"] != FORMAT:
            raise UnreadableFileError("was stored by another version of DPMed")
        spacing = None if fields.get("spacing_mm") is None else tuple(map(float, fields["spacing_mm"]))
        if spacing is not None and len(spacing) != 3:
            raise ValueError("not a spacing")
        return cls(
            modality=Modality(fields["modality"]),
            synthetic=fields["synthetic"],
            findings=tuple(map(str, fields["findings"])),
            comorbidities=tuple(map(str, fields["comorbidities"])),
            n_cases=fields["n_cases"],
            fingerprint=fields["fingerprint"],
            patients_known=fields.get("patients_known", True),
            spacing_mm=spacing,
            files=dict(fields.get("files") or {}),
            source=fields.get("source"),
            pixels=fields.get("pixels"),
        )


def read_facts(folder: Path) -> CohortFacts:
    """What cohort.json in `folder` says.

    Raises:
        CohortError: it cannot be read.
    """
    try:
        fields = read_object(folder / FACTS)
        facts = CohortFacts.from_fields(fields)
        seal = facts.files.get(FACTS)
        # Whoever stored digests of the images sealed these facts, too.
        if (folder / DIGESTS).exists() if seal is None else seal != seal_of_facts(fields):
            raise UnreadableFileError("was changed")
        return facts
    except UnreadableFileError as error:
        raise damaged(folder, FACTS, str(error)) from None
    except (ValueError, TypeError):
        raise damaged(folder, FACTS, "holds what this version of DPMed does not know") from None


def seal_of_facts(fields: Mapping[str, Any]) -> str:
    """The seal of all that cohort.json says, but the seal; among the files, where earlier versions pass over what they do not know."""
    return seal_of({**fields, "files": {name: digest for name, digest in fields["files"].items() if name != FACTS}}, FACTS)


def read_report(folder: Path) -> ImportReport:
    """The import report in `folder`.

    Raises:
        CohortError: it cannot be read.
    """
    try:
        fields = read_object(folder / REPORT)
        counts = ("n_rows", "n_imported", "n_patients", "n_unknown_age", "n_unknown_sex")
        check_fields({name: fields.get(name) for name in counts}, dict.fromkeys(counts, int))
        return ImportReport.from_fields(fields)
    except UnreadableFileError as error:
        raise damaged(folder, REPORT, str(error)) from None
    except (ValueError, TypeError, KeyError, AttributeError):
        raise damaged(folder, REPORT, "holds what this version of DPMed does not know") from None


def check_file(folder: Path, facts: CohortFacts, name: str) -> None:
    """Check that a file of the cohort in `folder` is the one that was stored with it, where its facts tell.

    Raises:
        CohortError: it is missing, or another one.
    """
    if (expected := facts.files.get(name)) is None:
        return
    try:
        is_own = unchanged_digest(folder / name) == expected
    except OSError:
        raise damaged(folder, name, "is missing or cannot be read") from None
    if not is_own:
        raise damaged(folder, name, "was changed, or is another cohort's")


def read_array(folder: Path, name: str) -> NDArray[Any]:
    """The array `name` of the cohort in `folder`, memory-mapped.

    Raises:
        CohortError: it is missing, damaged or no array.
    """
    try:
        # Never unpickled: a pickle in a damaged or forged file could run code.
        array = np.load(folder / name, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError, BadZipFile):
        raise damaged(folder, name, "is missing, damaged or no array") from None
    if not isinstance(array, np.ndarray):
        raise damaged(folder, name, "is no array")
    return array


def damaged(folder: Path, name: str, what: str) -> CohortError:
    """The error that names a cohort that cannot be read, and says what to do."""
    cohort = folder.name
    return CohortError(
        f"Cohort {cohort!r} cannot be read: its {name} {what}. Restore that file from a backup, or remove the cohort with "
        f"`cohort remove {cohort}` and import it again. Its runs and the record of what they spent are not touched by this."
    )
