"""An imported cohort: one table of cases and one array of images, in the same order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dpmed_core.errors import CohortError
from dpmed_core.imaging.modality import Modality

if TYPE_CHECKING:
    import pandas as pd  # importing it takes longer than starting a process that only reads images


class Part(StrEnum):
    """The part of the cohort a patient belongs to."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


AGE_BANDS: tuple[tuple[int, int], ...] = ((0, 30), (30, 60), (60, 70), (70, 80), (80, 101))
"""Half-open age bands in years. Source: Tayebi Arasteh et al. 2024, doi 10.1038/s43856-024-00462-6 (last band includes age 100)."""

CHANGED_IMAGES = (
    "Images of cohort {name!r} are not the ones that were imported: its images.npy was changed. Restore that file from a backup, or remove "
    "the cohort with `cohort remove {name}` and import it again. Its runs and the record of what they spent are not touched by this."
)
CASE_COLUMNS = ("case_id", "patient_id", "age", "sex", "split")
STUDY_ORDER = "study_order"
"""Column of the rank of an image's study among its patient's, where that is known of any image; whole numbers, and never a date."""


@dataclass(frozen=True, eq=False)
class Cohort:
    """Images with their labels; patients as keyed hashes, rows in one canonical order.

    Attributes:
        name: chosen by the user.
        modality: radiograph or CT.
        synthetic: drawn by DPMed's phantoms; stated wherever the cohort is shown.
        findings: column names of the labels, in the user's order.
        comorbidities: column names of the co-morbidities.
        cases: one row per image, sorted by patient_id then case_id, with the columns of `CASE_COLUMNS`
            (age in years, NaN = unknown; sex a `Sex` value; split a `Part` value or None if the
            source has none), then one float column per finding and co-morbidity
            (1 = present, 0 = absent, NaN = unknown); and `STUDY_ORDER` where the source says anything of it (see `study_order`).
        images: read-only and memory-mapped; row i is case i. Radiographs: uint8 `[n_cases, side, side]`, a side of 128 or 256 pixels
            (`stored_format.SIDES`). CT: Hounsfield units, int16 `[n_cases, slices, rows, columns]`, slices from feet to head, rows from
            front to back, columns from the patient's right to left.
        fingerprint: keyed hash of everything above except the name and the order of studies, on which no training depends; within one
            installation, equal data gives an equal fingerprint, whatever the order of the files.
        patients_known: False if the source does not say which images are one patient's; each image then
            counts as a patient of its own, and the privacy guarantee can only have the unit "image".
        blocking: results of the validation that prevent training, in sentences; not part of the fingerprint.
        source: the layout from which it was imported, a name of `sources.catalogue.ADAPTERS`; None where that is not known. Not part of
            the fingerprint.
        spacing_mm: between slices, rows and columns of CT volumes; None for radiographs, whose pixel size is not known.
        image_digests: SHA-256 of each image as it was imported, uint8 `[n_cases, 32]`; None of a cohort that an earlier version stored.
        digests_at_128: the same of radiographs as 128 pixels would have stored them, by which an image is recognised in cohorts of any
            side; None where they are stored so.
    """

    name: str
    modality: Modality
    synthetic: bool
    findings: tuple[str, ...]
    comorbidities: tuple[str, ...]
    cases: pd.DataFrame = field(repr=False)
    images: NDArray[Any] = field(repr=False)
    fingerprint: str
    patients_known: bool = True
    blocking: tuple[str, ...] = ()
    spacing_mm: tuple[float, float, float] | None = None
    source: str | None = None
    image_digests: NDArray[np.uint8] | None = field(default=None, repr=False)
    digests_at_128: NDArray[np.uint8] | None = field(default=None, repr=False)

    def check_images(self, rows: Iterable[int]) -> None:
        """Check that the images of cases `rows` are the ones that were imported; whoever uses images calls it for those.

        Raises:
            CohortError: one is not.
        """
        if self.image_digests is None:
            return
        for row in rows:
            # A missing row shows as well: an array of digests that is too short has none to compare with.
            if sha256(self.images[row].tobytes()).digest() != self.image_digests[row].tobytes():
                raise CohortError(CHANGED_IMAGES.format(name=self.name))

    @property
    def labels(self) -> NDArray[np.float32]:
        """Labels `[n_cases, n_findings]`: 1 = present, 0 = absent, NaN = unknown."""
        return np.asarray(self.cases[list(self.findings)], dtype=np.float32)

    @property
    def study_order(self) -> NDArray[np.float64] | None:
        """The rank of each case's study among its patient's, 1 for the first, NaN = unknown, `[n_cases]`; None where none is known."""
        # An earlier version may have stored a finding of that name.
        if STUDY_ORDER not in self.cases or STUDY_ORDER in (*self.findings, *self.comorbidities):
            return None
        return self.cases[STUDY_ORDER].to_numpy(dtype=np.float64, na_value=np.nan)

    @property
    def has_own_split(self) -> bool:
        """Whether the source names the part of every case."""
        return bool(self.cases["split"].notna().all())


@dataclass(frozen=True, eq=False)
class Split:
    """The parts of a cohort: for training, for choosing thresholds, and for testing.

    Attributes:
        parts: `Part` values `[n_cases]`, aligned with `Cohort.cases`; constant within a patient.
        seed: of the keyed assignment; None for the source's own split.
    """

    parts: NDArray[np.str_]
    seed: int | None

    def rows(self, part: Part) -> NDArray[np.intp]:
        """Row numbers of the cases in `part`."""
        return np.flatnonzero(self.parts == part.value)
