"""Arrays computed from the scores of one run, kept with it (`runs.kept`) under a name that stands for all that they were computed from."""

import json
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from functools import cache
from hashlib import sha256
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy
from numpy.typing import NDArray

from dpmed_core.runs.kept import KeptResults
from dpmed_core.runs.kept_together import KeptTogether
from dpmed_core.runs.store import RunStore

CORE = Path(__file__).resolve().parents[2]
COMPUTED_BY = ("evaluation", "cohort/schema.py", "runs/results.py", "training/result.py")
"""Folders and files of the code whose change may change what is kept."""
ALIGNED_BYTES = 8
Arrays = Mapping[str, NDArray[Any]]


@cache
def code_version() -> str:
    """Stands for the code that computes tables and the libraries that it computes with: another one after any change of them."""
    files = sorted(path for name in COMPUTED_BY for path in ((CORE / name).rglob("*.py") if (CORE / name).is_dir() else [CORE / name]))
    libraries = (np.__version__, pd.__version__, scipy.__version__)
    return digest_of(*libraries, *(path.read_bytes() for path in files if path.exists()))[:16]


def digest_of(*parts: str | bytes | NDArray[Any]) -> str:
    """A hash of texts, bytes and arrays in their order; equal for equal contents alone.

    >>> digest_of("ab", "c") == digest_of("a", "bc")
    False
    """
    found = sha256()
    for part in parts:
        shape = f"{part.dtype.str}{part.shape}" if isinstance(part, np.ndarray) else ""
        content = part.encode() if isinstance(part, str) else part if isinstance(part, bytes) else _bytes_of(part)
        found.update(f"{type(part).__name__} {len(content)} {shape} ".encode())
        found.update(content)
    return found.hexdigest()


def _bytes_of(array: NDArray[Any]) -> memoryview:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


class KeptArrays:
    """What is kept of the runs of one store by the present code."""

    def __init__(self, runs: RunStore) -> None:
        """Look at nothing yet."""
        self._results, self._together = KeptResults(runs, code_version()), KeptTogether(runs, code_version())

    def digests(self, run_id: str) -> str:
        """What tells the stored result of a run from any other (`KeptResults.digests`)."""
        return self._results.digests(run_id)

    def get(self, run_id: str, name: str) -> tuple[Arrays, Any] | None:
        """The arrays of that name, not to be written to, and what is said of them; None where they are not kept."""
        content = self._results.read(run_id, name)
        return None if content is None else _unpacked(content)

    def put(self, run_id: str, name: str, arrays: Arrays, about: object = None) -> None:
        """Keep `arrays`, with what is said of them as JSON, where that is possible."""
        self._results.write(run_id, name, _packed(arrays, about))

    def computed_once(self, run_id: str, name: str, compute: Callable[[], Arrays]) -> Arrays:
        """The arrays of that name, or else those that `compute` gives, which are then kept."""
        if (found := self.get(run_id, name)) is not None:
            return found[0]
        arrays = compute()
        self.put(run_id, name, arrays)
        return arrays

    def get_together(self, name: str) -> tuple[Arrays, Any] | None:
        """As `get`, of what was computed from several runs together."""
        content = self._together.read(name)
        return None if content is None else _unpacked(content)

    def put_together(self, name: str, arrays: Arrays, about: object, *, run_ids: Collection[str]) -> None:
        """As `put`, of what was computed from `run_ids` together; where something in it cannot be kept, nothing is."""
        with suppress(TypeError):
            self._together.write(name, _packed(arrays, about), run_ids)


def _packed(arrays: Arrays, about: object) -> bytes:
    """Length of a JSON header, the header, and the arrays one after the other, each in the order of C."""
    header = json.dumps([[[name, array.dtype.str, array.shape] for name, array in arrays.items()], about]).encode()
    header += b" " * (-(len(header) + ALIGNED_BYTES) % ALIGNED_BYTES)
    return b"".join([len(header).to_bytes(ALIGNED_BYTES, "little"), header, *(np.ascontiguousarray(a).tobytes() for a in arrays.values())])


def _unpacked(content: bytes) -> tuple[Arrays, Any]:
    start = ALIGNED_BYTES + int.from_bytes(content[:ALIGNED_BYTES], "little")
    described, about = json.loads(content[ALIGNED_BYTES:start])
    arrays: dict[str, NDArray[Any]] = {}
    for name, kind, shape in described:
        arrays[name] = np.frombuffer(content, dtype=kind, count=prod(shape), offset=start).reshape(shape)
        start += arrays[name].nbytes
    return arrays, about
