"""Cache of what the accountants computed, in a folder that may be lost at any time: the same request is computed once."""

import json
import logging
from collections.abc import Callable, Mapping
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from dpmed_core.files import UnreadableFileError
from dpmed_core.sealed_files import read_sealed, write_sealed

log = logging.getLogger(__name__)

COUNTED_BY = ("opacus", "dp-accounting", "scipy")
"""Packages whose versions are part of a request: another version may count differently."""
VERSION = 1
"""Raised whenever this package counts differently."""

Answer = Mapping[str, object]


@cache
def _running(package: str) -> str:
    """The version of a package that this process has started; looked up once, since that reads the package's files."""
    return version(package)


def cached(folder: Path | None, request: Mapping[str, object], compute: Callable[[], Answer]) -> Answer:
    """The answer to `request`: from `folder` if the same versions computed it before, else from `compute`.

    Files are written whole or not at all; one that cannot be read, or answers another request, is computed again and replaced.

    Args:
        folder: the cache; None to compute without one.
        request: everything that the answer depends on, as JSON values.
        compute: gives the answer.
    """
    if folder is None:
        return compute()
    versioned = {**request, "version": VERSION, **{name: _running(name) for name in COUNTED_BY}}
    path = folder / f"{sha256(json.dumps(versioned, sort_keys=True).encode()).hexdigest()[:32]}.json"
    known = _read(path)
    # The whole request is compared, since file names hold only part of its digest and a file may have been copied here.
    if known and known.get("question") == versioned and isinstance(kept := known.get("answer"), dict):
        return kept
    answer = compute()
    try:
        write_sealed(path, {"question": versioned, "answer": answer}, path.stem)  # stored keys: renaming them would discard every cache
    except OSError as error:
        log.warning("a calibration could not be cached: %s", type(error).__name__)
    return answer


def _read(path: Path) -> dict[str, object] | None:
    try:
        return read_sealed(path, path.stem)
    except UnreadableFileError:
        return None
