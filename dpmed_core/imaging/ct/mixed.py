"""Several reconstructions or phases under one SeriesInstanceUID, at different positions: sorted by position they would interleave.

Slices at the same position are compared by their voxels (`ordering`); here it is what the headers say that gives a mixture away.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dpmed_core.errors import ImageError
from dpmed_core.imaging.ct.ordering import SAME_POSITION_MM, height
from dpmed_core.imaging.ct.planes import Plane
from dpmed_core.imaging.dicom.header import DicomHeader
from dpmed_core.phrases import counted

KEYWORDS = ("InstanceNumber", "ConvolutionKernel", "AcquisitionNumber")
MEANINGFUL_SHARE = 0.25
"""Below this share of different numbers among the slices, InstanceNumber is a constant that some anonymiser wrote."""
SHORTEST_RUN, MOST_RUNS, LEAST_OVERLAP = 3, 8, 0.5
"""Slices of a run through the body in the order of InstanceNumber; runs of a mixture; the share of a run that another one covers."""


def refuse_mixed(headers: Sequence[DicomHeader], planes: Sequence[Plane]) -> None:
    """Check that slices of one series are one reconstruction.

    Args:
        headers: of the slices.
        planes: the slices, in the same order.

    Raises:
        ImageError: they are several.
    """
    heights = np.array([height(plane) for plane in planes])
    numbers = [_number(header, "InstanceNumber") for header in headers]
    reason = (
        _of_kernels(headers) or _of_acquisitions(headers, heights) or _of_doubled_numbers(numbers, heights) or _of_runs(numbers, heights)
    )
    if reason:
        raise ImageError(f"mixes reconstructions or phases under one SeriesInstanceUID ({reason}): put each into a folder of its own.")


def _of_kernels(headers: Sequence[DicomHeader]) -> str:
    kernels = {str(header.value("ConvolutionKernel") or "") for header in headers}
    return f"its slices name {len(kernels)} convolution kernels" if len(kernels) > 1 else ""


def _of_acquisitions(headers: Sequence[DicomHeader], heights: NDArray[np.float64]) -> str:
    """One scan may consist of acquisitions one above the other; in a mixture they cover the same part of the body."""
    numbers = np.array([_number(header, "AcquisitionNumber") or 0 for header in headers])
    runs = [np.sort(heights[numbers == number]) for number in np.unique(numbers)]
    return f"{len(runs)} acquisitions cover the same part of the body" if _overlap(runs) else ""


def _of_doubled_numbers(numbers: Sequence[int | None], heights: NDArray[np.float64]) -> str:
    where: dict[int, list[float]] = {}
    for number, at in zip(numbers, heights.tolist(), strict=True):
        if number is not None:
            where.setdefault(number, []).append(at)
    doubled = sum(max(found) - min(found) > SAME_POSITION_MM for found in where.values())
    if not doubled or len(where) < max(2, MEANINGFUL_SHARE * len(numbers)):
        return ""
    return f"{counted(doubled, 'InstanceNumber occurs', 'InstanceNumbers occur')} at several positions"


def _of_runs(numbers: Sequence[int | None], heights: NDArray[np.float64]) -> str:
    """In the order of InstanceNumber, the slices of a mixture run through the body several times."""
    if None in numbers or len(set(numbers)) < len(numbers):
        return ""
    steps = np.diff(heights[np.argsort(np.array(numbers, dtype=np.int64))])
    # Against the usual direction: back to where the next run begins.
    back = np.flatnonzero(np.sign(steps) == -np.sign(np.median(steps)))
    runs = [np.sort(run) for run in np.split(heights[np.argsort(np.array(numbers, dtype=np.int64))], back + 1)]
    if not 2 <= len(runs) <= MOST_RUNS or not _overlap(runs):
        return ""
    return f"in the order of InstanceNumber its slices run through the body {len(runs)} times"


def _overlap(runs: Sequence[NDArray[np.float64]]) -> bool:
    """Whether two of `runs`, sorted heights each, cover the same part of the body at different positions."""
    long = [run for run in runs if len(run) >= SHORTEST_RUN]
    for place, one in enumerate(long):
        for other in long[place + 1 :]:
            shorter, longer = sorted((one, other), key=len)
            inside = shorter[(shorter >= longer[0]) & (shorter <= longer[-1])]
            distance = np.abs(inside[:, None] - longer[None, :]).min(axis=1) if len(inside) else np.zeros(0)
            if len(inside) >= LEAST_OVERLAP * len(shorter) and (distance > SAME_POSITION_MM).any():
                return True
    return False


def _number(header: DicomHeader, keyword: str) -> int | None:
    try:
        return header.integer(keyword)
    except ImageError:
        return None
