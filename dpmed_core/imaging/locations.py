"""Image locations: where the pixels of an image may be."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

from dpmed_core.imaging.ct.series import SeriesFiles
from dpmed_core.imaging.npz_archive import ArrayImage

if TYPE_CHECKING:
    from dpmed_core.imaging.stored_format import StoredImage


class SyntheticImage(ABC):
    """An image that is not stored in a file: reading it computes it."""

    @property
    @abstractmethod
    def identity(self) -> str:
        """Text that no other image of the same import shares."""

    @abstractmethod
    def read(self) -> "StoredImage":
        """The image as it is stored.

        Raises:
            ImageError: it cannot be computed.
        """


ImageLocation = Path | ArrayImage | SyntheticImage | SeriesFiles
"""A file or folder, an image of an .npz archive, an image to compute, or the files of one series."""

HeldLocation = str | ArrayImage | SyntheticImage | SeriesFiles
"""The same with a path as text, which takes a third of the memory: a row table may hold millions of them."""
