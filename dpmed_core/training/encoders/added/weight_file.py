"""From the file that a user gives (weights, or a package with weights in it) to tensors by name; nothing of it is run or unpickled here."""

import shutil
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import file_digest
from pathlib import Path, PurePosixPath
from typing import IO

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from dpmed_core.child_environment import decoder_environment
from dpmed_core.errors import EncoderError
from dpmed_core.foreign_text import plain_line
from dpmed_core.training.encoders.added.card import AddedCard

LARGEST_MB = 400
LARGEST_BYTES = LARGEST_MB * 1_000_000
SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".ckpt")
CONVERTER, CONVERTER_SECONDS = "dpmed_core.training.encoders.added.unpickle", 600
WRAPPER = "module."
"""Stands before every name where weights were saved from several devices."""
MOST_ENTRIES = 100_000


def tensors_of(file: Path, card: AddedCard, draft: Path) -> dict[str, Tensor]:
    """The tensors in `file` by their names there.

    Args:
        file: safetensors, a pickled checkpoint, or a package (wheel, ZIP or source archive) with one of them in it.
        card: names the file's SHA-256, and which file of a package holds the weights where there are several.
        draft: a folder for intermediate files, which the caller removes.

    Raises:
        EncoderError: it is missing, too large, another file than the card's, or holds no weights.
    """
    _refuse_another(file, card)
    weights = draft / "given"
    with _opened(file, card) as (stream, size):
        if size > LARGEST_BYTES:
            raise EncoderError(f"The weights have {size / 1e6:,.0f} MB, and at most {LARGEST_MB} MB are taken: choose a smaller network.")
        with weights.open("wb") as copy:
            shutil.copyfileobj(_Limited(stream), copy)
    try:
        tensors = load_file(weights if _is_safetensors(weights) else _converted(weights))
    except (SafetensorError, ValueError, OSError):
        raise EncoderError("The weights cannot be read: the file is damaged, or is neither safetensors nor a PyTorch checkpoint.") from None
    wrapped = bool(tensors) and all(name.startswith(WRAPPER) for name in tensors)
    return {name.removeprefix(WRAPPER) if wrapped else name: tensor for name, tensor in tensors.items()}


def _refuse_another(file: Path, card: AddedCard) -> None:
    try:
        if file.stat().st_size > 2 * LARGEST_BYTES:
            raise EncoderError(f"FILE has more than {2 * LARGEST_MB} MB: give the file of weights, of at most {LARGEST_MB} MB.")
        with file.open("rb") as stream:
            digest = file_digest(stream, "sha256").hexdigest()
    except OSError:
        raise EncoderError("FILE cannot be opened: check that it exists and is a readable file.") from None
    if digest != card.sha256:
        raise EncoderError(f"FILE has the SHA-256 {digest}, and its card names {card.sha256}: it is not the file that the card is about.")


@contextmanager
def _opened(file: Path, card: AddedCard) -> Iterator[tuple[IO[bytes], int]]:
    """The stream of the weights and its length as stated, in `file` itself or in the package that it is.

    Raises:
        EncoderError: the package holds no such file, or is damaged.
    """
    try:
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
                if not any(PurePosixPath(name).name == "data.pkl" for name in sizes):  # else it is PyTorch's own archive of tensors
                    chosen = _chosen(sizes, card)
                    with archive.open(chosen) as stream:
                        yield stream, sizes[chosen]
                    return
        elif tarfile.is_tarfile(file):
            with tarfile.open(file) as tar:
                members = {member.name: member for member in tar if member.isfile()}
                chosen = _chosen({name: member.size for name, member in members.items()}, card)
                if (found := tar.extractfile(members[chosen])) is None:
                    raise EncoderError("The package's weights are no plain file: it cannot be used.")
                yield found, members[chosen].size
            return
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, NotImplementedError, RuntimeError):
        raise EncoderError("FILE is a damaged package: download it again.") from None
    with file.open("rb") as stream:
        yield stream, file.stat().st_size


def _chosen(sizes: dict[str, int], card: AddedCard) -> str:
    """The name of the weights among the files of a package."""
    if len(sizes) > MOST_ENTRIES:
        raise EncoderError(f"The package holds more than {MOST_ENTRIES:,} files: give the file of weights itself.")
    if card.file:
        if card.file not in sizes:
            raise EncoderError(f"The package holds no file {plain_line(card.file, 200)!r}, which its card names: correct the card.")
        return card.file
    found = sorted(name for name in sizes if PurePosixPath(name).suffix in SUFFIXES)
    if len(found) != 1:
        held = f"{len(found)} files of weights, {plain_line(', '.join(found), 300)}" if found else "no file of weights"
        raise EncoderError(f'The package holds {held}: name the one to take as "file" in the card.')
    return found[0]


class _Limited:
    """A stream that ends with an error where it is longer than weights may be, whatever its archive states."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._left = stream, LARGEST_BYTES

    def read(self, size: int = -1) -> bytes:
        part = self._stream.read(size)
        self._left -= len(part)
        if self._left < 0:
            raise EncoderError(f"The weights have more than {LARGEST_MB} MB: choose a smaller network.")
        return part


def _is_safetensors(path: Path) -> bool:
    """Whether a file begins as safetensors do: the length of a JSON object, and the object."""
    with path.open("rb") as file:
        start = file.read(9)
    return len(start) == 9 and start[8:] == b"{" and int.from_bytes(start[:8], "little") < path.stat().st_size


def _converted(pickled: Path) -> Path:
    """The same tensors as safetensors, converted by a process of its own; the pickled file is read this once and removed."""
    converted = pickled.with_name("converted")
    try:
        done = subprocess.run(
            [sys.executable, "-m", CONVERTER, str(pickled), str(converted)],
            env=decoder_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=CONVERTER_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise EncoderError("The weights could not be converted within ten minutes: give them as safetensors.") from None
    finally:
        pickled.unlink(missing_ok=True)
    if done.returncode != 0 or not converted.exists():
        raise EncoderError(
            "The weights cannot be taken from this file: it is damaged, or holds more than tensors by name, which would have to be run to "
            "be read. Save its state_dict alone, or give it as safetensors."
        )
    return converted
