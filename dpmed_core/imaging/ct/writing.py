"""Writing a volume as a DICOM CT series, one file per slice. Source: DICOM PS3.3 A.3."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from dpmed_core.imaging.volume_grid import AIR, SPACING_MM


@dataclass(frozen=True)
class SeriesLayout:
    """How the series is laid out in its files; a reader must return the same volume for every layout.

    Attributes:
        rows_reversed: rows run from the patient's back to the front.
        columns_reversed: columns run from the patient's left to the right.
        order: seed of a shuffled order of file names; None names files in the order of slices.
    """

    rows_reversed: bool = False
    columns_reversed: bool = False
    order: int | None = None


def write_series(
    folder: Path,
    volume: NDArray[np.int16],
    *,
    age: int,
    sex: str,
    layout: SeriesLayout = SeriesLayout(),
    spacing_mm: tuple[float, float, float] = SPACING_MM,
) -> list[Path]:
    """Write `volume`, whose axes are in the stored order, as a series without patient data; returns the files from feet to head.

    Args:
        folder: new folder for the series.
        volume: Hounsfield units `[slices, rows, columns]`, not below `AIR`.
        age: years.
        sex: F, M or O.
        layout: of the files.
        spacing_mm: between slices, rows and columns.
    """
    folder.mkdir(parents=True)
    names = np.arange(len(volume)) if layout.order is None else np.random.default_rng(layout.order).permutation(len(volume))
    steps = np.array([-1 if layout.rows_reversed else 1, -1 if layout.columns_reversed else 1])
    # The volume is centred on the origin of patient coordinates; a reversed axis begins at its other end.
    origin = -(np.array(volume.shape[::-1]) - 1) / 2 * np.array(spacing_mm[::-1])
    corner = np.where([layout.columns_reversed, layout.rows_reversed, False], -origin, origin)
    slice_ = _header(volume.shape, steps, spacing_mm, age=age, sex=sex)
    paths = []
    for number, values in enumerate(volume):
        path = folder / f"{names[number]:04d}.dcm"
        x, y, z = corner + np.array([0, 0, number * spacing_mm[0]])
        slice_.ImagePositionPatient = [f"{x:.10g}", f"{y:.10g}", f"{z:.10g}"]
        slice_.InstanceNumber = len(volume) - number
        slice_.SOPInstanceUID = slice_.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        slice_.PixelData = (values[:: steps[0], :: steps[1]] - AIR).astype(np.uint16).tobytes()
        slice_.save_as(path, enforce_file_format=True)
        paths.append(path)
    return paths


def _header(shape: tuple[int, ...], steps: NDArray[np.int_], spacing_mm: tuple[float, float, float], *, age: int, sex: str) -> FileDataset:
    """A slice with the attributes that all slices share."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID = CTImageStorage, ExplicitVRLittleEndian
    slice_ = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    slice_.SOPClassUID, slice_.SeriesInstanceUID, slice_.StudyInstanceUID = CTImageStorage, generate_uid(), generate_uid()
    slice_.FrameOfReferenceUID = generate_uid()
    slice_.Modality, slice_.BodyPartExamined, slice_.ImageType = "CT", "ABDOMEN", ["ORIGINAL", "PRIMARY", "AXIAL"]
    slice_.Manufacturer, slice_.ImageComments = "DPMed phantom", "Synthetic: drawn by a computer, shows no patient"
    slice_.PatientIdentityRemoved, slice_.DeidentificationMethod = "YES", "synthetic"
    slice_.PatientAge, slice_.PatientSex, slice_.PatientPosition = f"{age:03d}Y", sex, "HFS"
    slice_.ImageOrientationPatient = [int(steps[1]), 0, 0, 0, int(steps[0]), 0]
    slice_.PixelSpacing, slice_.SliceThickness = [spacing_mm[1], spacing_mm[2]], spacing_mm[0]
    slice_.SamplesPerPixel, slice_.PhotometricInterpretation, slice_.PixelRepresentation = 1, "MONOCHROME2", 0
    slice_.BitsAllocated, slice_.BitsStored, slice_.HighBit = 16, 16, 15
    slice_.Rows, slice_.Columns = shape[1:]
    slice_.RescaleIntercept, slice_.RescaleSlope, slice_.RescaleType = AIR, 1, "HU"
    return slice_
