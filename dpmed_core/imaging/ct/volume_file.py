"""A volume in one file, opened: its slices are read one by one."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dpmed_core.imaging.ct.geometry import Geometry


@dataclass(frozen=True, eq=False)
class OpenedVolume:
    """The volume of a NIfTI file or a MetaImage.

    Attributes:
        slices: each in Hounsfield units `[rows, columns]`.
        geometry: of the voxels.
        bits: of a voxel as stored, in words.
        assumed: what the header does not say.
        warnings: what the user should check.
    """

    slices: Iterator[NDArray[np.float64]] = field(repr=False)
    geometry: Geometry
    bits: str
    assumed: tuple[str, ...] = ("values are Hounsfield units",)
    warnings: tuple[str, ...] = ()


def type_words(kind: str, n_bytes: int) -> str:
    """The type of a voxel in words.

    >>> type_words("i", 2), type_words("u", 1), type_words("f", 4)
    ('16 bits, signed', '8 bits', '32 bits, floating point')
    """
    return f"{8 * n_bytes} bits" + {"i": ", signed", "f": ", floating point"}.get(kind, "")
