"""Reading MetaImage by SimpleITK."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from dpmed_core.errors import ImageError
from dpmed_core.imaging.ct.geometry import Geometry, evenly
from dpmed_core.imaging.ct.limits import refuse_unsuitable
from dpmed_core.imaging.ct.planes import hounsfield

BYTES = {
    sitk.sitkUInt8: 1,
    sitk.sitkInt8: 1,
    sitk.sitkUInt16: 2,
    sitk.sitkInt16: 2,
    sitk.sitkUInt32: 4,
    sitk.sitkInt32: 4,
    sitk.sitkFloat32: 4,
    sitk.sitkFloat64: 8,
}
"""Types in which Hounsfield units are written, and their bytes."""
NOT_ORTHONORMAL = "orthonormal"
UNREADABLE = "cannot be read: it breaks off, is damaged, or is not what its header says; save it again."


def read_meta_image(path: Path) -> tuple[Iterator[NDArray[np.float64]], Geometry]:
    """The slices of the MetaImage at `path` in Hounsfield units `[rows, columns]` each, and where they lie.

    Raises:
        ImageError: it is no single volume, or cannot be read.
    """
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    reader = sitk.ImageFileReader()
    reader.SetImageIO("MetaImageIO")
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
        _refuse_unsuitable(reader)
        image = reader.Execute()
    except RuntimeError as error:  # its message holds the path
        trouble = "has axes that are not at right angles: resample it before." if NOT_ORTHONORMAL in str(error) else UNREADABLE
        raise ImageError(trouble) from None
    if image.GetDimension() == 4:
        image = image[:, :, :, 0]
    return _slices(image), _geometry(image)


def _refuse_unsuitable(reader: sitk.ImageFileReader) -> None:
    n_values, bytes_a_value = reader.GetNumberOfComponents(), BYTES.get(reader.GetPixelID())
    refuse_unsuitable(reader.GetSize(), reader.GetSpacing()[:3], n_values=n_values, bytes_a_value=bytes_a_value or 1)
    if bytes_a_value is None:
        raise ImageError("holds voxels of a type in which no Hounsfield units are written: save it as 16-bit whole numbers.")


def _slices(image: sitk.Image) -> Iterator[NDArray[np.float64]]:
    for one in sitk.GetArrayViewFromImage(image):
        yield hounsfield(one, slope=1.0, intercept=0.0)


def _geometry(image: sitk.Image) -> Geometry:
    """Of the array `[slices, rows, columns]`, whose axes are the file's in reverse."""
    size, spacing = image.GetSize()[::-1], image.GetSpacing()[::-1]
    directions = np.array(image.GetDirection()).reshape(3, 3)[:, ::-1]
    slices, rows, columns = (evenly(length, step) for length, step in zip(size, spacing, strict=True))
    return Geometry(directions, (slices, rows, columns))
