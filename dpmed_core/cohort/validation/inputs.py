"""What the checks look at: a cohort about to be stored, row by row, with the row of its source beside each case."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpmed_core.cohort.image_blocks import read_images
from dpmed_core.cohort.report import Check, Severity
from dpmed_core.cohort.schema import Part
from dpmed_core.imaging.stored_format import STORED_SIZE, windowed
from dpmed_core.imaging.volume_grid import SHAPE

BLOCK_BYTES = 1 << 21
"""Bytes of images measured at once; what is held in memory does not grow with the cohort but by some hundred bytes an image."""
THUMBNAIL = 16
VOLUME_THUMBNAIL = tuple(length // 8 for length in SHAPE)


@dataclass(frozen=True, eq=False)
class Measured:
    """What the checks need of the pixels.

    Attributes:
        thumbnails: means over blocks of the stored square `[n, THUMBNAIL, THUMBNAIL]`, or of the stored volume at the soft-tissue
            window `[n, *VOLUME_THUMBNAIL]`; uint8.
        spans: largest less smallest grey level `[n]`.
        clipped: share of the picture that is pure black or pure white, black borders left out `[n]`; 0 for volumes, where air is black.
    """

    thumbnails: NDArray[np.uint8]
    spans: NDArray[np.uint8]
    clipped: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Material:
    """A cohort as the checks see it; place i of each is one case.

    Attributes:
        cases: columns of `CASE_COLUMNS`, then one for each finding and co-morbidity.
        findings: columns to predict.
        comorbidities: columns that describe the patient.
        rows: row of the source `[n]`.
        digests: of the stored pixels `[n, 32]`.
        parts: `Part` values, the source's own or those of the default split `[n]`.
        images: the stored array's file.
        measured: of the pixels.
    """

    cases: pd.DataFrame = field(repr=False)
    findings: tuple[str, ...]
    comorbidities: tuple[str, ...]
    rows: NDArray[np.int64]
    digests: NDArray[np.uint8]
    parts: NDArray[np.str_]
    images: Path = field(repr=False)
    measured: Measured

    def in_part(self, part: Part) -> NDArray[np.bool_]:
        """Which cases stand in `part`."""
        return np.asarray(self.parts == part.value)

    def rows_of(self, cases: NDArray[np.intp] | NDArray[np.bool_]) -> tuple[int, ...]:
        """The source's rows of `cases`, sorted."""
        return tuple(int(row) for row in np.sort(self.rows[cases]))

    def groups_of(self, groups: Iterable[NDArray[np.intp]]) -> tuple[tuple[int, ...], ...]:
        """The source's rows of groups of cases, each sorted, by their first row."""
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
        """A check about `cases`; it counts them unless `count` says otherwise."""
        rows = self.rows_of(cases)
        return Check(name, severity, len(rows) if count is None else count, sentence, rows, self.groups_of(groups), outside_guarantee)


def pooling(side: int) -> NDArray[np.float32]:
    """The matrix `[side, STORED_SIZE]` that takes means over blocks along one axis."""
    factor = STORED_SIZE // side
    return np.asarray(np.kron(np.eye(side, dtype=np.float32), np.full((1, factor), 1 / factor, np.float32)), dtype=np.float32)


def measure(images: Path) -> Measured:
    """What the checks need of the stored array `images`, a block at a time."""
    blocks = [_measured_images(block) if block.ndim == 3 else _measured_volumes(block) for block in read_images(images, BLOCK_BYTES)]
    return Measured(*(np.concatenate([block[i] for block in blocks]) for i in range(3)))


def pooled_volumes(block: NDArray[np.int16], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Means over blocks of volumes `[n, *SHAPE]` at the soft-tissue window, as grey `[n, *shape]`."""
    split = [length for whole, wanted in zip(SHAPE, shape, strict=True) for length in (wanted, whole // wanted)]
    return np.asarray(windowed(block).reshape(len(block), *split).mean(axis=(2, 4, 6), dtype=np.float32))


def _measured_volumes(block: NDArray[np.int16]) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.float32]]:
    spans = np.ptp(windowed(block).reshape(len(block), -1), axis=1)
    return np.rint(pooled_volumes(block, VOLUME_THUMBNAIL)).astype(np.uint8), spans, np.zeros(len(block), np.float32)


def _measured_images(block: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.float32]]:
    flat = block.reshape(len(block), -1)
    pool = pooling(THUMBNAIL)
    thumbnails = pool @ block.astype(np.float32) @ pool.T
    inside = block.any(axis=2).sum(axis=1) * block.any(axis=1).sum(axis=1)
    black = np.maximum((flat == 0).sum(axis=1) - (flat.shape[1] - inside), 0)
    clipped = (black + (flat == 255).sum(axis=1)) / np.maximum(inside, 1)
    return np.rint(thumbnails).astype(np.uint8), np.ptp(flat, axis=1), clipped.astype(np.float32)
