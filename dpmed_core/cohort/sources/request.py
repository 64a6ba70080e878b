"""What a user may say to an adapter."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from dpmed_core.cohort.sources.values import Uncertain
from dpmed_core.imaging.modality import Modality


class Views(StrEnum):
    """Which exposures are read."""

    FRONTAL = "frontal"
    ALL = "all"


class Match(StrEnum):
    """What joins a DICOM file with its row of labels."""

    SOP = "sop"
    ACCESSION = "accession"
    FILE = "file"
    SERIES = "series"


@dataclass(frozen=True)
class ImportRequest:
    """What to read.

    Attributes:
        path: the file or folder that the adapter starts from.
        findings: columns to predict; empty for all that the adapter knows.
        comorbidities: columns of co-morbidities.
        images: folder of the images, where it is not where the layout says.
        labels: table of labels of a DICOM folder, or folder of MIMIC-CXR's tables.
        match: what joins DICOM files with labels; None to tell from the table's columns.
        uncertain: what becomes of uncertain labels; must be chosen where a publication has them.
        unmentioned_unknown: labels that a report does not mention are unknown rather than absent.
        published_split: keep the publication's own split.
        views: which exposures are read.
        modality: what the images are.
    """

    path: Path
    findings: tuple[str, ...] = ()
    comorbidities: tuple[str, ...] = ()
    images: Path | None = None
    labels: Path | None = None
    match: Match | None = None
    uncertain: Uncertain | None = None
    unmentioned_unknown: bool = False
    published_split: bool = False
    views: Views = Views.FRONTAL
    modality: Modality = Modality.RADIOGRAPH
