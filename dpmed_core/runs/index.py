"""What a process remembers of the runs' small files: a cache that is rebuilt from them, and never the truth.

A file is read again when its signature (`files.signature_of`) changes. Between processes the memory is handed on by a file, which any of
them may find missing, old or damaged: then everything is read. Whoever changes which runs there are, or a run's state, touches a mark, so
that a process that looks often needs to look at the mark alone, and at all runs after some seconds.
"""

import json
import os
import secrets
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from dpmed_core.errors import DpmedError
from dpmed_core.files import Signature, is_settled
from dpmed_core.runs.folder import CHECKSUMS, FINISHED_FILES, PROGRESS, REQUEST, is_run, look_at
from dpmed_core.runs.results import damage
from dpmed_core.runs.status import OPEN_STATES, Progress, RunStatus, UnreadableRun
from dpmed_core.training.spec import RunSpec

CHANGED, INDEX = ".changed", ".index.json"
VERSION = 2
LOOK_AT_ALL_SECONDS, SECONDS_OLD = 60.0, 30.0
"""How old the look at the files of all runs may be, for the engine and for pages; what a store changes shows at once."""
WORTH_HANDING_ON = 50
"""Runs that a process had to read before it writes the index file: fewer are read again as fast."""
CLOCK_TICK_SECONDS = 0.05
"""A mark that was touched this short a time before a look may be touched again without a new time."""

Run = RunStatus | UnreadableRun
Signatures = tuple[Signature | None, ...]


@dataclass(frozen=True, eq=False)
class Listing:
    """All runs at one moment.

    Attributes:
        statuses: of runs that can be read, in the order in which they were queued.
        unreadable: the others, by run_id.
    """

    statuses: tuple[RunStatus, ...]
    unreadable: tuple[UnreadableRun, ...]

    @cached_property
    def open(self) -> tuple[RunStatus, ...]:
        """The runs that are queued or training."""
        return tuple(status for status in self.statuses if status.state in OPEN_STATES)

    @cached_property
    def by_cohort(self) -> Mapping[str, tuple[RunStatus, ...]]:
        """The runs by fingerprint of their cohort."""
        found: dict[str, list[RunStatus]] = {}
        for status in self.statuses:
            found.setdefault(status.spec.cohort_fingerprint, []).append(status)
        return {fingerprint: tuple(of_cohort) for fingerprint, of_cohort in found.items()}

    @cached_property
    def states_digest(self) -> str:
        """A hash of which runs there are and in which states: what totals depend on, and progress within a state does not change."""
        states = [f"{status.run_id} {status.state.value}" for status in self.statuses]
        return sha256("\n".join([*states, *(run.message for run in self.unreadable)]).encode()).hexdigest()


@dataclass(eq=False)
class RunIndex:
    """The memory of one process for the runs under one folder.

    Attributes:
        root: the folder.
        key: the installation's secret.
    """

    root: Path
    key: bytes
    _runs: dict[str, tuple[Signatures, Run]] = field(default_factory=dict)
    _undamaged: dict[str, Signatures] = field(default_factory=dict)
    _listing: Listing | None = None
    _mark: tuple[object, ...] | None = None
    _looked_at: float = 0.0
    _n_read: int = 0
    _is_loaded: bool = False
    _lock: Any = field(default_factory=threading.RLock)

    def listing(self, *, at_most_seconds_old: float = 0.0) -> Listing:
        """All runs; from memory where nobody has touched the mark since, and the last look at all files is not older than this."""
        with self._lock:
            mark = self._read_mark()
            young = time.monotonic() - self._looked_at < at_most_seconds_old
            if self._listing is None or not young or mark is None or mark != self._mark:
                self._look(mark)
            assert self._listing is not None
            return self._listing

    def of_cohort(self, fingerprint: str, *, at_most_seconds_old: float) -> list[RunStatus]:
        """The runs on the data with this fingerprint, each as its files are now; which there are, as `listing`."""
        with self._lock:
            known = self.listing(at_most_seconds_old=at_most_seconds_old).by_cohort.get(fingerprint, ())
            if any(self._run(status.run_id) is not status for status in known):
                known = self.listing().by_cohort.get(fingerprint, ())
            return list(known)

    def is_known_undamaged(self, run_id: str) -> bool:
        """Whether the stored result of a run was found undamaged, and no file of it has changed since."""
        with self._lock:
            self._load()
            return self._undamaged.get(run_id) == _signatures(self.root / run_id, (CHECKSUMS, *FINISHED_FILES))

    def damage(self, run_id: str) -> str | None:
        """What is wrong with the stored result of a run; None where nothing is, which is remembered until a file of it changes."""
        folder = self.root / run_id
        signatures = _signatures(folder, (CHECKSUMS, *FINISHED_FILES))
        if self.is_known_undamaged(run_id):
            return None
        found = damage(folder, self.key)
        if found is None and _are_settled(signatures):
            with self._lock:
                self._undamaged[run_id] = signatures
                self._n_read += 1
        return found

    def hand_on(self) -> None:
        """Write what is remembered for other processes, where it is worth it and the folder can be written to."""
        with self._lock:
            if self._n_read < WORTH_HANDING_ON:
                return
            self._n_read = 0
            runs = {run_id: _stored(signatures, run) for run_id, (signatures, run) in self._runs.items() if isinstance(run, RunStatus)}
            document = json.dumps({"version": VERSION, "runs": runs, "undamaged": self._undamaged}, separators=(",", ":"))
        draft = self.root / f"{INDEX}-{secrets.token_hex(4)}"
        with suppress(OSError):
            try:
                draft.touch(mode=0o600)
                draft.write_text(f"{sha256(document.encode()).hexdigest()}\n{document}")
                draft.replace(self.root / INDEX)
            finally:
                draft.unlink(missing_ok=True)

    def _look(self, mark: tuple[object, ...] | None) -> None:
        """Look at the files of all runs."""
        self._load()
        self._looked_at = time.monotonic()
        names = [name for name in _names(self.root) if name.isalnum()]
        found = {name: run for name in names if (run := self._run(name)) is not None}
        for gone in self._runs.keys() - found.keys():
            del self._runs[gone]
        before = (*self._listing.statuses, *self._listing.unreadable) if self._listing else None
        readable = sorted((r for r in found.values() if isinstance(r, RunStatus)), key=lambda status: (status.asked_at, status.run_id))
        unreadable = sorted((r for r in found.values() if isinstance(r, UnreadableRun)), key=lambda run: run.run_id)
        if before is None or len(before) != len(found) or any(a is not b for a, b in zip(before, (*readable, *unreadable), strict=True)):
            self._listing = Listing(tuple(readable), tuple(unreadable))
        self._mark = mark
        self.hand_on()

    def _run(self, name: str) -> Run | None:
        """The run in a folder, read again where its files have changed; None where the folder is no run's."""
        folder = f"{self.root}/{name}"
        signatures = (_signature(f"{folder}/{REQUEST}"), _signature(f"{folder}/{PROGRESS}"))
        known = self._runs.get(name)
        if known is not None and known[0] == signatures and (signatures[0] is not None or is_run(self.root / name)):
            return known[1]
        if signatures[0] is None and not is_run(self.root / name):
            return None
        run = look_at(self.root / name, self.key)
        self._n_read += 1
        if known is not None and known[1] == run:
            run = known[1]  # written again with the same content
        # What cannot be trusted until the signature changes is remembered as what it is, under a signature that no file has.
        self._runs[name] = (signatures if _are_settled(signatures) else (), run)
        return run

    def _read_mark(self) -> tuple[object, ...] | None:
        """What tells that somebody has changed a run; None where it may have been changed within one tick of the clock."""
        signatures = _signature(str(self.root)), _signature(f"{self.root}/{CHANGED}")
        newest = max((signature[1] for signature in signatures if signature), default=0)
        return None if abs(time.time_ns() - newest) < CLOCK_TICK_SECONDS * 1e9 else signatures

    def _load(self) -> None:
        """Take over what another process has handed on; what is damaged in it, or no longer so, is read from the runs instead."""
        if self._is_loaded:
            return
        self._is_loaded = True
        with suppress(OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, DpmedError):
            digest, stored = (self.root / INDEX).read_bytes().split(b"\n", 1)
            document = json.loads(stored)
            if document["version"] == VERSION and sha256(stored).hexdigest().encode() == digest:
                loaded = {run_id: _restored(run_id, stored) for run_id, stored in document["runs"].items()}
                undamaged = {run_id: _as_signatures(stored) for run_id, stored in document["undamaged"].items()}
                self._runs, self._undamaged = loaded, undamaged


@cache
def index_of(root: Path, key: bytes) -> RunIndex:
    """The memory of this process for the runs under `root`."""
    return RunIndex(root, key)


def touch_mark(root: Path) -> None:
    """Tell other processes that a run has changed; a run that could be changed where this cannot be told is found some seconds later."""
    with suppress(OSError):
        (root / CHANGED).touch(mode=0o600)


def _names(root: Path) -> list[str]:
    try:
        with os.scandir(root) as entries:
            return [entry.name for entry in entries]
    except OSError:  # no run was asked for yet
        return []


def _signature(path: str) -> Signature | None:
    try:
        facts = os.stat(path)  # noqa: PTH116 (a path object for each of thousands of files takes longer than looking at them)
    except OSError:
        return None
    return facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino


def _signatures(folder: Path, names: tuple[str, ...]) -> Signatures:
    return tuple(_signature(f"{folder}/{name}") for name in names)


def _are_settled(signatures: Signatures) -> bool:
    return all(signature is None or is_settled(signature) for signature in signatures)


def _stored(signatures: Signatures, run: RunStatus) -> list[object]:
    progress = {name: value for name, value in run.progress.__dict__.items() if name != "planned"}
    planned = run.progress.planned.__dict__ if run.progress.planned else None
    return [signatures, run.spec.canonical_json(), run.cohort_name, run.asked_at, {**progress, "planned": planned}]


def _restored(run_id: str, stored: list[Any]) -> tuple[Signatures, Run]:
    signatures, spec, cohort_name, asked_at, progress = stored
    return _as_signatures(signatures), RunStatus(run_id, RunSpec.from_json(spec), cohort_name, asked_at, Progress.from_fields(progress))


def _as_signatures(stored: list[Any]) -> Signatures:
    return tuple(tuple(one) if one else None for one in stored)
