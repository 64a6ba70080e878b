"""Where an image's pixels may be."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

from dpmed_core.imaging.ct.series import SeriesFiles
from dpmed_core.imaging.npz_archive import ArrayImage

if TYPE_CHECKING:
    from dpmed_core.imaging.stored_format import StoredImage


class SyntheticImage(ABC):
    """An image that lies nowhere: whoever reads it computes it."""

    @property
    @abstractmethod
    def identity(self) -> str:
        """What tells it from other images."""

    @abstractmethod
    def read(self) -> "StoredImage":
        """The image as it is stored.

        Raises:
            ImageError: it cannot be computed, or cannot be read back.
        """


ImageLocation = Path | ArrayImage | SyntheticImage | SeriesFiles
"""A file or folder, a place in an archive of arrays, an image to compute, or the files of one series."""

HeldLocation = str | ArrayImage | SyntheticImage | SeriesFiles
"""The same, held in less memory: a path as text."""
