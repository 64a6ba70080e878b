"""Where an image's pixels may be."""

from pathlib import Path

from dpmed_core.cohort.arrays import ArrayImage
from dpmed_core.cohort.drawn import DrawnScan
from dpmed_core.cohort.volumes.series import SeriesFiles

ImagePlace = Path | ArrayImage | DrawnScan | SeriesFiles
"""A file or folder, a place in an archive of arrays, a scan to draw, or the files of one series."""

HeldPlace = str | ArrayImage | DrawnScan | SeriesFiles
"""The same, held in less memory: a path as text."""
