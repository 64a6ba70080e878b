"""The inputs of the checks: a cohort about to be stored, with the source's row of each case, and measurements of its pixels."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpmed_core.cohort.image_blocks import read_images
from dpmed_core.cohort.report import Check, Severity
from dpmed_core.cohort.schema import Part
from dpmed_core.imaging.radiographs_at_128 import radiographs_at_128
from dpmed_core.imaging.stored_format import STORED_SIZE, windowed
from dpmed_core.imaging.volume_grid import SHAPE

BLOCK_BYTES = 1 << 21
"""Bytes of images measured at once; beyond them, memory grows by some hundred bytes per image."""
THUMBNAIL = 16
VOLUME_THUMBNAIL = tuple(length // 8 for length in SHAPE)


@dataclass(frozen=True, eq=False)
class PixelMeasures:
    """Measurements of the pixels that the checks need.

    Attributes:
        thumbnails: means over blocks of the stored square `[n, THUMBNAIL, THUMBNAIL]`, or of the stored volume in the soft-tissue
            window `[n, *VOLUME_THUMBNAIL]`; uint8.
        spans: largest less smallest grey level `[n]`.
        clipped: share of pixels that are pure black or pure white, black borders excluded `[n]`; 0 for volumes, where air is black.
    """

    thumbnails: NDArray[np.uint8]
    spans: NDArray[np.uint8]
    clipped: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class ValidationInputs:
    """A cohort as the checks see it; element i of each attribute belongs to case i.

    Attributes:
        cases: columns of `CASE_COLUMNS`, then one for each finding and co-morbidity.
        findings: columns to predict.
        comorbidities: columns that describe the patient.
        rows: row of the source `[n]`.
        digests: SHA-256 of the stored pixels `[n, 32]`.
        parts: `Part` values `[n]`, the source's own or those of the default split.
        images: file of the stored array.
        measured: measurements of the pixels.
        persons: patient_id -> whom the source's identifiers say it is; empty where they say nothing.
    """

    cases: pd.DataFrame = field(repr=False)
    findings: tuple[str, ...]
    comorbidities: tuple[str, ...]
    rows: NDArray[np.int64]
    digests: NDArray[np.uint8]
    parts: NDArray[np.str_]
    images: Path = field(repr=False)
    measured: PixelMeasures
    persons: Mapping[str, str] = field(default_factory=dict, repr=False)

    def in_part(self, part: Part) -> NDArray[np.bool_]:
        """Which cases are in `part`, `[n]`."""
        return np.asarray(self.parts == part.value)

    def rows_of(self, cases: NDArray[np.intp] | NDArray[np.bool_]) -> tuple[int, ...]:
        """The source's rows of `cases` (indices or a mask), sorted."""
        return tuple(int(row) for row in np.sort(self.rows[cases]))

    def groups_of(self, groups: Iterable[NDArray[np.intp]]) -> tuple[tuple[int, ...], ...]:
        """The source's rows of each of `groups`, sorted within and by their first row."""
        return tuple(sorted(self.rows_of(group) for group in groups))

    def check(
        self,
        name: str,
        severity: Severity,
        sentence: str,
        cases: NDArray[np.intp] | NDArray[np.bool_],
        *,
        count: int | None = None,
        groups: Iterable[NDArray[np.intp]] = (),
        outside_guarantee: bool = False,
    ) -> Check:
        """A check about `cases`.

        Args:
            name: of the check.
            severity: how serious it is.
            sentence: for the user.
            cases: that it is about, as indices or a mask.
            count: what it counts; None for the number of `cases`.
            groups: of cases that belong together.
            outside_guarantee: as in `Check`.
        """
        rows = self.rows_of(cases)
        return Check(name, severity, len(rows) if count is None else count, sentence, rows, self.groups_of(groups), outside_guarantee)


def pooling(side: int) -> NDArray[np.float32]:
    """The matrix `[side, STORED_SIZE]` that replaces blocks along one axis by their means."""
    factor = STORED_SIZE // side
    return np.asarray(np.kron(np.eye(side, dtype=np.float32), np.full((1, factor), 1 / factor, np.float32)), dtype=np.float32)


def measure(images: Path) -> PixelMeasures:
    """The measurements of the stored array `images`, read block by block; of finer radiographs, of what `radiographs_at_128` gives."""
    blocks = [
        _measured_images(radiographs_at_128(block)) if block.ndim == 3 else _measured_volumes(block)
        for block in read_images(images, BLOCK_BYTES)
    ]
    return PixelMeasures(*(np.concatenate([block[i] for block in blocks]) for i in range(3)))


def pooled_volumes(block: NDArray[np.int16], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Means over blocks of volumes `[n, *SHAPE]` in the soft-tissue window, as grey levels `[n, *shape]`."""
    # Each axis is split into (blocks, length of a block); the mean is taken over the three lengths.
    split = [length for whole, wanted in zip(SHAPE, shape, strict=True) for length in (wanted, whole // wanted)]
    return np.asarray(windowed(block).reshape(len(block), *split).mean(axis=(2, 4, 6), dtype=np.float32))


def _measured_volumes(block: NDArray[np.int16]) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.float32]]:
    spans = np.ptp(windowed(block).reshape(len(block), -1), axis=1)
    return np.rint(pooled_volumes(block, VOLUME_THUMBNAIL)).astype(np.uint8), spans, np.zeros(len(block), np.float32)


def _measured_images(block: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.float32]]:
    """Thumbnails, spans and clipped shares of a block of radiographs `[n, STORED_SIZE, STORED_SIZE]`."""
    flat = block.reshape(len(block), -1)
    pool = pooling(THUMBNAIL)
    thumbnails = pool @ block.astype(np.float32) @ pool.T
    # The rows and columns that are not wholly black bound the image; black pixels outside them are borders or padding.
    inside = block.any(axis=2).sum(axis=1) * block.any(axis=1).sum(axis=1)
    black = np.maximum((flat == 0).sum(axis=1) - (flat.shape[1] - inside), 0)
    clipped = (black + (flat == 255).sum(axis=1)) / np.maximum(inside, 1)
    return np.rint(thumbnails).astype(np.uint8), np.ptp(flat, axis=1), clipped.astype(np.float32)
