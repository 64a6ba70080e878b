"""The import request: what a user can specify for an adapter."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from dpmed_core.cohort.sources.values import Uncertain
from dpmed_core.imaging.modality import Modality


class Views(StrEnum):
    """Which views of radiographs are read."""

    FRONTAL = "frontal"
    ALL = "all"


class Match(StrEnum):
    """The identifier that joins a DICOM file with its row of labels."""

    SOP = "sop"
    ACCESSION = "accession"
    FILE = "file"
    SERIES = "series"


@dataclass(frozen=True)
class ImportRequest:
    """What is to be imported, from where, and with which columns.

    Attributes:
        path: the file or folder that the adapter reads.
        findings: columns to predict; empty for all that the adapter knows.
        comorbidities: columns of co-morbidities; in a manifest, also one value of a column, as in view=AP.
        images: folder of the images, if it is not where the layout says.
        labels: table of labels of a DICOM folder, or folder with the tables of MIMIC-CXR.
        match: what joins DICOM files with labels; None to infer it from the table's columns.
        uncertain: what uncertain labels become; required for data sets that have them.
        unmentioned_unknown: findings that a report does not mention are unknown rather than absent.
        published_split: keep the published split.
        views: which views are read.
        modality: of the images.
        study_order: column with the order of a patient's studies, numbers or dates; None for one of the name `schema.STUDY_ORDER`, if
            there is one, or for what the layout says.
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
    study_order: str | None = None
