"""What was computed from one finished run, kept in its folder so that it need not be computed again: a cache, and never the truth.

RUN_ID/kept/CODE/NAME    one result, after the SHA-256 of its bytes

CODE stands for the code that computed it and NAME for all that it was computed from, so that what is found is what would be computed now.
What is missing or damaged is computed again; where nothing can be written, nothing is kept. `RunStore.retry` and `withdraw` remove all of
it: what is kept is made from patients' scores, without identifiers.
"""

import os
import secrets
import shutil
import time
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from dpmed_core.errors import DamagedRunError
from dpmed_core.files import space_reason
from dpmed_core.runs.folder import CHECKSUMS, KEPT
from dpmed_core.runs.index import index_of
from dpmed_core.runs.results import RESULT, SCORES, checked, checksums
from dpmed_core.runs.store import RunStore

DIGEST_BYTES = 32
MOST_BYTES_EACH, MOST_BYTES, MOST_FILES = 16 << 20, 64 << 20, 256
"""Of one result, of all results of a run, and how many: what is larger is computed whenever it is needed."""
SECONDS_UNTIL_OLD = 86_400.0
"""A result that was written this long ago gives way to a new one where a run has no room left."""


class KeptResults:
    """The results kept of the runs of one store, for one version of the code.

    Attributes:
        code: stands for the version.
    """

    def __init__(self, runs: RunStore, code: str) -> None:
        """Look at nothing yet."""
        self._runs, self.code = runs, code
        self._used: dict[str, tuple[int, int]] = {}

    def read(self, run_id: str, name: str) -> bytes | None:
        """The result of that name, a word of letters and digits; None where it is not kept, or damaged."""
        return read_result(f"{self._runs.root}/{run_id}/{KEPT}/{self.code}/{name}")

    def write(self, run_id: str, name: str, content: bytes) -> None:
        """Keep a result of a finished run, where there is room for it."""
        if len(content) > MOST_BYTES_EACH:
            return
        with suppress(OSError):
            self._write(self._runs.root / run_id, name, content)

    def digests(self, run_id: str) -> str:
        """What tells the stored result of a finished run from any other: its checksums, after its files were compared with them.

        Files that were compared once are not read again until one of them changes.

        Raises:
            DamagedRunError: they do not match.
        """
        folder = self._runs.root / run_id
        found = checksums(folder)
        if not index_of(self._runs.root, self._runs.key).is_known_undamaged(run_id):
            for name in (RESULT, SCORES):
                checked(folder, name)
        try:
            return f"{found[RESULT]} {found[SCORES]}"
        except KeyError:
            raise DamagedRunError(f"The checksums of run {run_id} are not whole: train it again with `runs retry {run_id}`.") from None

    def _write(self, folder: Path, name: str, content: bytes) -> None:
        """Write `content` into the folder of a run; what can be in the way is an OSError."""
        own = folder / KEPT / self.code
        if folder.name not in self._used:
            make_folder(own)
        if space_reason(own, len(content)) is not None or not self._has_room(own, len(content)):
            return
        write_result(own / name, content)
        # A run that was withdrawn meanwhile has lost its checksums before what is kept of it: nothing may come after that.
        if not (folder / CHECKSUMS).exists():
            (own / name).unlink(missing_ok=True)

    def _has_room(self, folder: Path, n_bytes: int) -> bool:
        """Whether a further result of `n_bytes` may be kept in the `folder` of a run, which is looked at once and then reckoned with."""
        run_id = folder.parents[1].name
        n_files, used = self._used.get(run_id) or _without_old(folder)
        has_room = n_files < MOST_FILES and used + n_bytes <= MOST_BYTES
        self._used[run_id] = (n_files + has_room, used + n_bytes * has_room)
        return has_room


def read_result(path: str) -> bytes | None:
    """The content of a file that `write_result` wrote; None where it is missing or damaged."""
    try:
        # Not through path objects, which take longer than reading a small file.
        with open(path, "rb") as file:  # noqa: PTH123
            content = file.read()
    except OSError:
        return None
    return content[DIGEST_BYTES:] if sha256(content[DIGEST_BYTES:]).digest() == content[:DIGEST_BYTES] else None


def write_result(path: Path, content: bytes) -> None:
    """Write `content` after its digest, whole or not at all.

    Raises:
        OSError: nothing can be written.
    """
    draft = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as file:  # noqa: PTH123
            file.write(sha256(content).digest() + content)
        # Not flushed to the disk: after a power cut the digest tells what is whole.
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def make_folder(of_code: Path) -> None:
    """Make the folder of the present code, where there is none, in place of those of earlier code, which no one will look for.

    Raises:
        OSError: it cannot be made.
    """
    if of_code.is_dir():
        return
    of_code.parent.mkdir(mode=0o700, exist_ok=True)
    for other in of_code.parent.iterdir():
        shutil.rmtree(other, ignore_errors=True)
    of_code.mkdir(mode=0o700)


def _without_old(folder: Path) -> tuple[int, int]:
    """Files and bytes in `folder`; where they leave little room, those that are old are removed first."""
    with os.scandir(folder) as entries:
        found = [(entry.path, facts.st_size, facts.st_mtime) for entry in entries for facts in [entry.stat()]]
    n_files, used = len(found), sum(size for _, size, _ in found)
    if 2 * n_files < MOST_FILES and 2 * used < MOST_BYTES:
        return n_files, used
    young = [(path, size) for path, size, written_at in found if time.time() - written_at < SECONDS_UNTIL_OLD]
    for path in {path for path, _, _ in found} - {path for path, _ in young}:
        Path(path).unlink(missing_ok=True)
    return len(young), sum(size for _, size in young)
