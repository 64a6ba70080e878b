"""Images in an .npz archive, read one at a time; nothing is unpickled, and an array of images is never held in memory whole."""

import threading
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from dpmed_core.errors import CohortError, ImageError

OPEN_STREAMS = 8
MAX_ARRAY_BYTES = 1 << 40
DAMAGED = (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError)


@dataclass(frozen=True)
class ArrayImage:
    """One image of an array in an .npz archive.

    Attributes:
        archive: the .npz file.
        member: name of the array in it.
        index: of the image along the array's first axis.
    """

    archive: Path = field(repr=False)
    member: str
    index: int

    @property
    def identity(self) -> str:
        """Text that no other image of the same import shares."""
        return f"{self.archive}\0{self.member}\0{self.index}"


@dataclass(frozen=True)
class ArrayLayout:
    """What an array's header says.

    Attributes:
        shape: lengths of its axes.
        dtype: type of its elements, never `object`.
        offset: bytes before its first element.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    offset: int

    @property
    def item_bytes(self) -> int:
        """Bytes of one element of the first axis."""
        return int(np.prod(self.shape[1:], dtype=np.int64)) * self.dtype.itemsize


def array_layouts(archive: Path) -> dict[str, ArrayLayout]:
    """The layouts of the arrays in the .npz file `archive`, by name; only their headers are read.

    Raises:
        CohortError: it is not an .npz file, or holds an array of Python objects.
    """
    with _readable(archive), zipfile.ZipFile(archive) as file:
        return {info.filename.removesuffix(".npy"): _layout(file, info) for info in file.infolist() if info.filename.endswith(".npy")}


def read_whole_array(archive: Path, member: str, *, max_bytes: int = 1 << 28) -> NDArray[np.generic]:
    """The whole array `member` of `archive`; for labels and other small arrays.

    Raises:
        CohortError: it is larger than `max_bytes`, or damaged.
    """
    layout = array_layouts(archive)[member]
    n_bytes = layout.item_bytes * layout.shape[0] if layout.shape else layout.dtype.itemsize
    if n_bytes > max_bytes:
        raise CohortError(
            f"The array {member!r} has {n_bytes:,} bytes, more than the {max_bytes:,} that a table of labels may have: check the file."
        )
    with _readable(archive), zipfile.ZipFile(archive) as file, file.open(f"{member}.npy") as stream:
        stream.seek(layout.offset)
        return np.frombuffer(_read_exactly(stream, n_bytes), dtype=layout.dtype).reshape(layout.shape)


def read_array_image(image: ArrayImage) -> NDArray[np.generic]:
    """The pixels of `image`, `[rows, columns]` or `[rows, columns, 3]`, of its array's type.

    Each thread keeps its own open stream, so reading images in order decompresses every byte once.

    Raises:
        ImageError: the archive is cut short or damaged there.
    """
    try:
        opened = _open(image.archive, image.member, image.archive.stat().st_mtime_ns, threading.get_ident())
        opened.stream.seek(opened.layout.offset + image.index * opened.layout.item_bytes)
        data = _read_exactly(opened.stream, opened.layout.item_bytes)
    except DAMAGED:
        raise ImageError("is cut short or damaged at this image: download it again.") from None
    return np.frombuffer(data, dtype=opened.layout.dtype).reshape(opened.layout.shape[1:])


@dataclass(frozen=True, eq=False)
class _OpenArray:
    file: zipfile.ZipFile
    stream: IO[bytes]
    layout: ArrayLayout


@lru_cache(maxsize=OPEN_STREAMS)
def _open(archive: Path, member: str, changed: int, thread: int) -> _OpenArray:
    """An open stream of the array `member`; the archive's time of change and the thread are part of the cache's key alone."""
    file = zipfile.ZipFile(archive)
    return _OpenArray(file, file.open(f"{member}.npy"), _layout(file, file.getinfo(f"{member}.npy")))


def _layout(file: zipfile.ZipFile, info: zipfile.ZipInfo) -> ArrayLayout:
    """The layout that the array's header declares; ValueError where it is not one that can be read in C order within its declared size."""
    with file.open(info) as stream:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(stream)
        layout = ArrayLayout(tuple(map(int, shape)), dtype, stream.tell())
    # An array of Python objects would have to be unpickled, which can run code; the size must be within what the archive declares.
    if dtype.hasobject or fortran or layout.item_bytes * (shape[0] if shape else 1) > min(info.file_size, MAX_ARRAY_BYTES):
        raise ValueError
    return layout


def _read_exactly(stream: IO[bytes], n_bytes: int) -> bytes:
    data = stream.read(n_bytes)
    if len(data) != n_bytes:
        raise EOFError
    return data


@contextmanager
def _readable(archive: Path) -> Iterator[None]:
    try:
        yield
    except DAMAGED:
        raise CohortError("The .npz file cannot be read: it is missing, damaged, or holds Python objects; download it again.") from None
