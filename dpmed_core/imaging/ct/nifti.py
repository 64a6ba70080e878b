"""Reading NIfTI with nibabel, which reports what SimpleITK ignores: voxels that are not numbers, and files that are cut short."""

import gzip
import math
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from dpmed_core.errors import ImageError
from dpmed_core.imaging.ct.geometry import Geometry, even_positions
from dpmed_core.imaging.ct.limits import LARGEST_BYTES, refuse_unsuitable
from dpmed_core.imaging.ct.orientations import forms_warnings
from dpmed_core.imaging.ct.planes import hounsfield
from dpmed_core.imaging.ct.simpleitk import GZIP
from dpmed_core.imaging.ct.volume_file import OpenedVolume, type_words

PIECE = 1 << 20
TO_PATIENT = np.diag([-1.0, -1.0, 1.0])
"""From NIfTI's coordinates (right, anterior, superior) to DICOM's (left, posterior, superior)."""
MILLIMETRES = {"meter": 1000.0, "micron": 0.001}
DAMAGED = (
    OSError,
    EOFError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    ArithmeticError,
    zlib.error,
    nib.spatialimages.HeaderDataError,
    nib.filebasedimages.ImageFileError,
)
"""What nibabel raises on files that are cut short or contradict themselves."""
UNREADABLE = "cannot be read: it is cut short, damaged, or contradicts its header; save it again."


def read_nifti(path: Path) -> OpenedVolume:
    """The volume in the NIfTI file at `path`; where both forms of its orientation are set and agree, the sform is used.

    Raises:
        ImageError: it is not a single volume, says in two contradictory ways how it lies, or cannot be read.
    """
    try:
        image: Any = nib.load(path)
        header, proxy = image.header, image.dataobj
        affine = np.asarray(image.affine, dtype=np.float64)[:3, :3] * MILLIMETRES.get(header.get_xyzt_units()[0], 1.0)
        codes = int(header["qform_code"]), int(header["sform_code"])
    except DAMAGED:
        raise ImageError(UNREADABLE) from None
    # The columns of the affine matrix are the steps from voxel to voxel in the patient; their lengths are the spacing.
    spacing = np.linalg.norm(affine, axis=0)
    n_values = len(proxy.dtype.names or (0,)) * math.prod(proxy.shape[4:])
    refuse_unsuitable(proxy.shape[:4], spacing.tolist(), n_values=n_values, bytes_a_value=proxy.dtype.itemsize)
    if proxy.dtype.kind not in "iuf":
        raise ImageError("holds voxels of a type that cannot hold Hounsfield units: save it as 16-bit whole numbers.")
    if not any(codes):
        raise ImageError("does not say how it is oriented in the patient (qform_code and sform_code are 0): save it with its orientation.")
    # The volume of the box that three unit vectors span is 1 at right angles, and 0 if they lie in one plane.
    if abs(np.linalg.det(affine / spacing)) < 0.5:
        raise ImageError("has axes that are far from right angles: resample it first.")
    warnings = forms_warnings(header)
    _refuse_damaged_packing(path)
    return OpenedVolume(
        _slices(proxy),
        _geometry(proxy.shape[:3], affine / spacing, spacing),
        bits=type_words(proxy.dtype.kind, proxy.dtype.itemsize),
        assumed=("values are Hounsfield units", f"the orientation is that of the {'sform' if codes[1] else 'qform'}"),
        warnings=tuple(warnings),
    )


def _refuse_damaged_packing(path: Path) -> None:
    """Check the checksum of a gzipped file, which nibabel does not reach: it stops reading after the last voxel.

    Raises:
        ImageError: the checksum does not match, or more data than a scan can have follows.
    """
    with path.open("rb") as file:
        if file.read(len(GZIP)) != GZIP:
            return
    n_bytes = 0
    try:
        with gzip.open(path) as unpacked:
            while piece := unpacked.read(PIECE):
                n_bytes += len(piece)
                if n_bytes > LARGEST_BYTES + PIECE:
                    raise ImageError(
                        f"decompresses to more than {LARGEST_BYTES >> 30} GiB, the most that one scan may have: save it again."
                    )
    except DAMAGED:
        raise ImageError(UNREADABLE) from None


def _slices(proxy: Any) -> Iterator[NDArray[np.float64]]:
    """The slices in Hounsfield units, one at a time; the stored voxels are held in memory unscaled, which takes less room.

    Raises:
        ImageError: the file is cut short, or a voxel is not a number.
    """
    try:
        stored = np.asarray(proxy.get_unscaled()).reshape(proxy.shape[:3])
    except DAMAGED:
        raise ImageError(UNREADABLE) from None
    for number in range(stored.shape[2]):
        yield hounsfield(stored[:, :, number].T, slope=float(proxy.slope), intercept=float(proxy.inter))


def _geometry(shape: tuple[int, int, int], axes: NDArray[np.float64], spacing: NDArray[np.float64]) -> Geometry:
    """The geometry of the array `[slices, rows, columns]`, whose axes are the file's in reverse order."""
    slices, rows, columns = (even_positions(shape[axis], float(spacing[axis])) for axis in (2, 1, 0))
    return Geometry((TO_PATIENT @ axes)[:, ::-1], (slices, rows, columns))
