"""A synthetic scan that is rendered when it is read: written as a DICOM series, read back like a hospital's series, and removed.

A demo of 1,625 scans would otherwise take some 100,000 files on the disk; this way only the scans being read exist as files.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dpmed_core.imaging.ct.scan import read_scan
from dpmed_core.imaging.ct.writing import SeriesLayout, write_series
from dpmed_core.imaging.locations import SyntheticImage
from dpmed_core.imaging.stored_format import StoredImage
from dpmed_core.phantoms.abdomen.population import Variant
from dpmed_core.phantoms.abdomen.volume import render_volume

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class SyntheticScan(SyntheticImage):
    """One scan of a synthetic population.

    Attributes:
        case: a row of `population.draw_scans`.
        index: number of the row.
        seed: of the population.
        scratch: an existing folder for its temporary files.
        variant: of the population.
    """

    case: pd.Series = field(repr=False)
    index: int
    seed: int
    scratch: Path = field(repr=False)
    variant: Variant = "demo"

    @property
    def identity(self) -> str:
        """Text that no other image of the same import shares."""
        of_variant = "" if self.variant == "demo" else f"\0{self.variant}"
        return f"drawn\0{self.seed}\0{self.index}{of_variant}"

    def read(self) -> StoredImage:
        """The scan as the importer reads it from its files.

        File names are shuffled, and rows and columns run in either direction, so that the demo exercises the reader's ordering.

        Raises:
            ImageError: the reader refuses the files.
        """
        folder = self.scratch / f"{self.index:06d}"
        shutil.rmtree(folder, ignore_errors=True)  # left by a process that was killed
        layout = SeriesLayout(rows_reversed=self.index % 3 == 1, columns_reversed=self.index % 4 == 2, order=self.index)
        volume = render_volume(self.case, self.index, seed=self.seed, variant=self.variant)
        try:
            write_series(folder, volume, age=int(self.case["age"]), sex=str(self.case["sex"]), layout=layout)
            return read_scan(folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
