"""A synthetic scan that is drawn when it is read: written as a DICOM series, read back as a hospital's would be, and removed.

A demo of 1,625 scans would otherwise lie on the disk in a hundred thousand files; so no more are there than are being read.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dpmed_core.imaging.ct.scan import read_scan
from dpmed_core.imaging.ct.writing import Export, write_series
from dpmed_core.imaging.locations import SyntheticImage
from dpmed_core.imaging.stored_format import StoredImage
from dpmed_core.phantoms.abdomen.volume import render_volume

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class DrawnScan(SyntheticImage):
    """One scan of a synthetic population.

    Attributes:
        person: the population's row.
        index: its number.
        seed: the population's.
        scratch: an existing folder in which its files are for a moment.
    """

    person: pd.Series = field(repr=False)
    index: int
    seed: int
    scratch: Path = field(repr=False)

    @property
    def identity(self) -> str:
        """What tells it from other images."""
        return f"drawn\0{self.seed}\0{self.index}"

    def read(self) -> StoredImage:
        """The scan as the importer reads it from its files, whose names are shuffled and whose rows and columns run either way.

        Raises:
            ImageError: the reader refuses the files.
        """
        folder = self.scratch / f"{self.index:06d}"
        shutil.rmtree(folder, ignore_errors=True)
        export = Export(rows_reversed=self.index % 3 == 1, columns_reversed=self.index % 4 == 2, order=self.index)
        volume = render_volume(self.person, self.index, seed=self.seed, variant="demo")
        try:
            write_series(folder, volume, age=int(self.person["age"]), sex=str(self.person["sex"]), export=export)
            return read_scan(folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
