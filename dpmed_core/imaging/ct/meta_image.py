"""Reading MetaImage with SimpleITK."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from dpmed_core.errors import ImageError
from dpmed_core.imaging.ct.geometry import Geometry, even_positions
from dpmed_core.imaging.ct.limits import refuse_unsuitable
from dpmed_core.imaging.ct.planes import hounsfield
from dpmed_core.imaging.ct.volume_file import OpenedVolume, type_words

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
"""Pixel types that can hold Hounsfield units, and their bytes."""
NOT_ORTHONORMAL = "orthonormal"
"""A word of the message with which SimpleITK refuses oblique axes."""
UNREADABLE = "cannot be read: it is cut short, damaged, or contradicts its header; save it again."


def read_meta_image(path: Path) -> OpenedVolume:
    """The volume in the MetaImage at `path`.

    Raises:
        ImageError: it is not a single volume, or cannot be read.
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
        reason = "has axes that are not at right angles: resample it first." if NOT_ORTHONORMAL in str(error) else UNREADABLE
        raise ImageError(reason) from None
    if image.GetDimension() == 4:
        image = image[:, :, :, 0]
    dtype = sitk.GetArrayViewFromImage(image).dtype
    return OpenedVolume(_slices(image), _geometry(image), bits=type_words(dtype.kind, dtype.itemsize))


def _refuse_unsuitable(reader: sitk.ImageFileReader) -> None:
    """Check the header; a pixel type that cannot be used is reported last, so that colour is named as colour."""
    n_values, bytes_a_value = reader.GetNumberOfComponents(), BYTES.get(reader.GetPixelID())
    refuse_unsuitable(reader.GetSize(), reader.GetSpacing()[:3], n_values=n_values, bytes_a_value=bytes_a_value or 1)
    if bytes_a_value is None:
        raise ImageError("holds voxels of a type that cannot hold Hounsfield units: save it as 16-bit whole numbers.")


def _slices(image: sitk.Image) -> Iterator[NDArray[np.float64]]:
    for values in sitk.GetArrayViewFromImage(image):
        yield hounsfield(values, slope=1.0, intercept=0.0)


def _geometry(image: sitk.Image) -> Geometry:
    """The geometry of the array `[slices, rows, columns]`, whose axes are the file's in reverse order."""
    size, spacing = image.GetSize()[::-1], image.GetSpacing()[::-1]
    directions = np.array(image.GetDirection()).reshape(3, 3)[:, ::-1]
    slices, rows, columns = (even_positions(length, step) for length, step in zip(size, spacing, strict=True))
    return Geometry(directions, (slices, rows, columns))
