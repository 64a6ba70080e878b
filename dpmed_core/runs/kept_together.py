"""What was computed from several finished runs together, kept so that nobody waits for it: a cache, and never the truth.

RUNS/kept-together/CODE/NAME    one result, after the SHA-256 of its bytes

CODE and NAME are as in `runs.kept`. Whenever a run is withdrawn or trained again all of it goes, since nothing tells what a result was
computed from.
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from dpmed_core.files import space_reason
from dpmed_core.runs.folder import CHECKSUMS, KEPT_TOGETHER, drop
from dpmed_core.runs.kept import make_folder, read_result, write_result
from dpmed_core.runs.store import RunStore

MOST_BYTES_EACH, MOST_FILES = 4 << 20, 512
"""Of one result, and how many results: of more, those that were written first make way."""


class KeptTogether:
    """The results kept of several runs of one store, for one version of the code."""

    def __init__(self, runs: RunStore, code: str) -> None:
        """Look at nothing yet."""
        self._root, self._folder = runs.root, runs.root / KEPT_TOGETHER / code

    def read(self, name: str) -> bytes | None:
        """The result of that name; None where it is not kept, or damaged."""
        return read_result(f"{self._folder}/{name}")

    def write(self, name: str, content: bytes, run_ids: Iterable[str]) -> None:
        """Keep a result of the finished runs `run_ids`, where that is possible."""
        if len(content) > MOST_BYTES_EACH:
            return
        with suppress(OSError):
            make_folder(self._folder)
            if space_reason(self._folder, len(content)) is not None:
                return
            write_result(self._folder / name, content)
            _make_room(self._folder)
            # A run that was withdrawn meanwhile has lost its checksums before what is kept: nothing may come after that.
            if not all((self._root / run_id / CHECKSUMS).exists() for run_id in run_ids):
                drop(self._root, KEPT_TOGETHER)


def _make_room(folder: Path) -> None:
    with os.scandir(folder) as entries:
        written = sorted((entry.stat().st_mtime, entry.path) for entry in entries)
    for _, path in written[: max(len(written) - MOST_FILES, 0)]:
        Path(path).unlink(missing_ok=True)
