"""The adapters by name, and what a user may say to them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dpmed_core.cohort.sources.manifest import read_manifest
from dpmed_core.cohort.sources.medmnist import read_medmnist
from dpmed_core.cohort.sources.rows import Source
from dpmed_core.errors import CohortError


@dataclass(frozen=True)
class SourceWish:
    """What to read.

    Attributes:
        path: the file or folder that the adapter starts from.
        findings: columns to predict; empty for all that the adapter knows.
        comorbidities: columns of co-morbidities.
        images: folder of the images, where it is not where the layout says.
    """

    path: Path
    findings: tuple[str, ...] = ()
    comorbidities: tuple[str, ...] = ()
    images: Path | None = None


@dataclass(frozen=True)
class Adapter:
    """One layout that can be read.

    Attributes:
        title: what people call it.
        path_is: what PATH names, in words.
        read: from a wish to its rows.
    """

    title: str
    path_is: str
    read: Callable[[SourceWish], Source]


def open_source(kind: str, wish: SourceWish) -> Source:
    """The rows of the source of `kind` that `wish` describes.

    Raises:
        CohortError: there is no such kind or path, or the source cannot be used.
    """
    if kind not in ADAPTERS:
        raise CohortError(f"There is no source {kind!r}: there are {', '.join(ADAPTERS)}.")
    if not wish.path.exists():
        raise CohortError(f"There is no file or folder where PATH points to: give {ADAPTERS[kind].path_is}.")
    return ADAPTERS[kind].read(wish)


def _read_manifest(wish: SourceWish) -> Source:
    rows = read_manifest(wish.path, images_dir=wish.images, findings=wish.findings, comorbidities=wish.comorbidities)
    return Source(rows, wish.findings, wish.comorbidities)


def _read_medmnist(wish: SourceWish) -> Source:
    return read_medmnist(wish.path, findings=wish.findings)


ADAPTERS: dict[str, Adapter] = {
    "manifest": Adapter("A table of your own", "a table with one row an image", _read_manifest),
    "medmnist": Adapter("MedMNIST", "the .npz file of one data set", _read_medmnist),
}
