"""The small files of one run's folder, read with all checks: what was asked for, how far it is, what every attempt did.

Each is read by itself, and says in words why it cannot be read; `RunStore` makes a run of them, or one that is listed as unreadable.
"""

import json
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from dpmed_core.errors import DpmedError
from dpmed_core.files import UnreadableFileError, age_seconds, check_fields, make_way, read_object, read_whole, write_json
from dpmed_core.keyed_hash import keyed_hex
from dpmed_core.runs.status import Progress, RunState, RunStatus, UnreadableRun
from dpmed_core.sealed_files import SEAL, append_line, lines_of, n_ended, parse_line, read_sealed, write_sealed
from dpmed_core.training.spec import RunSpec

REQUEST, PROGRESS, ATTEMPTS, CANCEL = "request.json", "progress.json", "attempts.jsonl", "cancel"
CHECKPOINT, CHECKSUMS = "checkpoint.safetensors", "checksums.json"
FINISHED_FILES = ("result.json", "scores.parquet", "weights.safetensors")
AUDIT = "audit.json"
"""The last audit of the run's mechanism (`runs.audit_file`)."""
KEPT = "kept"
"""The folder of what was computed from a finished run (`runs.kept`)."""
KEPT_TOGETHER = "kept-together"
"""Beside the runs' folders: what was computed from several of them (`runs.kept_together`). No run_id has a hyphen."""
TRAINED_FILES = (CHECKPOINT, CHECKSUMS, *FINISHED_FILES)
"""Files that only a training writes."""
DAMAGED_RECORD = "record-damaged"
"""The event that says that events before it are lost."""
WORDS = ("true", "false", "null")
ENDINGS = (
    *("", "0", " 0", ": 0", '": 0', '"', ' "": 0', '"": 0', "{"),
    *('""', 'u0000"', *("0" * n + '"' for n in range(1, 5))),  # in an escape
    *(word[start:] for word in WORDS for start in range(1, len(word))),
)
"""What may follow where a line of the record was broken off, up to the braces that end it."""
BEING_ASKED_SECONDS = 5.0
"""How long a folder may hold a progress and no request before that counts as a loss: the progress is written first."""


@dataclass(frozen=True)
class Request:
    """What a run was asked for: its specification, the cohort's name then, and the time, in UTC seconds since the epoch."""

    spec: RunSpec
    cohort_name: str
    asked_at: float

    def to_fields(self) -> dict[str, object]:
        """The request as plain values for JSON."""
        return {"spec": json.loads(self.spec.canonical_json()), "cohort": self.cohort_name, "asked_at": self.asked_at}


def run_id_of(spec: RunSpec, key: bytes) -> str:
    """The keyed name of a run: equal specifications have equal names, within one installation only."""
    return keyed_hex(key, "run", spec.canonical_json())


def is_run(folder: Path) -> bool:
    """Whether a folder is a run's: it has a request, or so many other files that it must have had one."""
    if (folder / REQUEST).exists() or any((folder / name).exists() for name in (ATTEMPTS, *TRAINED_FILES)):
        return True
    with suppress(OSError):
        return age_seconds((folder / PROGRESS).stat().st_mtime) > BEING_ASKED_SECONDS
    return False


def read_request(folder: Path, key: bytes) -> Request:
    """What the run of `folder` was asked for.

    The folder's name is the keyed hash of the specification, so that one of another run, or one that was changed, is found.

    Raises:
        UnreadableFileError: it cannot be read.
    """
    request = _request(folder)
    if run_id_of(request.spec, key) != folder.name:
        raise UnreadableFileError("was changed, or is another run's")
    return request


def read_spec(folder: Path) -> RunSpec | None:
    """What the request in `folder` asks for, whatever run it is of; None where it cannot be read."""
    try:
        return _request(folder).spec
    except UnreadableFileError:
        return None


def _request(folder: Path) -> Request:
    fields = read_sealed(folder / REQUEST, folder.name)
    check_fields(fields, {"spec": dict, "cohort": str, "asked_at": float})
    try:
        spec = RunSpec.from_json(json.dumps(fields["spec"]))
        spec.canonical_json()
    except (DpmedError, KeyError, TypeError, ValueError):
        raise UnreadableFileError("holds what this version of DPMed does not know (it may be a later version's)") from None
    return Request(spec, fields["cohort"], fields["asked_at"])


def is_older(folder: Path) -> bool:
    """Whether an earlier version, without seals, may have written files of the run of `folder`: its request has none, or cannot be read.

    A run that was asked for with a seal has one in every file and line: earlier versions, which do not know that field, refuse the request.
    """
    try:
        return SEAL not in read_object(folder / REQUEST)
    except UnreadableFileError:
        return True


def write_request(folder: Path, request: Request) -> None:
    """Replace the request of a run; without a seal where another file of the run has none, so that these stay an earlier version's."""
    if _has_unsealed_files(folder):
        make_way(path := folder / REQUEST)
        write_json(path, request.to_fields())
    else:
        write_file(folder, REQUEST, request.to_fields())


def _has_unsealed_files(folder: Path) -> bool:
    found: list[Mapping[str, Any]] = []
    for name in (PROGRESS, CHECKSUMS):
        with suppress(UnreadableFileError):
            found.append(read_object(folder / name))
    with suppress(UnreadableFileError):
        for line in lines_of(read_whole(folder / ATTEMPTS)):
            with suppress(ValueError, RecursionError):
                found.append(json.loads(line))
    return any(SEAL not in one for one in found)


def read_progress(folder: Path) -> Progress:
    """How far the run of `folder` is.

    Raises:
        UnreadableFileError: it cannot be read.
    """
    fields = read_sealed(folder / PROGRESS, folder.name, is_older=lambda: is_older(folder))
    try:
        return Progress.from_fields(fields)
    except UnreadableFileError:
        raise
    except (ValueError, TypeError, KeyError):
        raise UnreadableFileError("holds what this version of DPMed does not know (it may be a later version's)") from None


def look_at(folder: Path, key: bytes) -> RunStatus | UnreadableRun:
    """The run of `folder`, or why it cannot be read and what to do."""
    run_id = folder.name
    try:
        request = read_request(folder, key)
    except UnreadableFileError as error:
        return UnreadableRun(
            run_id,
            f"Run {run_id} cannot be read: its {REQUEST} {error}. Restore that file from a backup, or ask for the same training again, "
            f"which writes it anew; or give the run up with `runs withdraw {run_id}`. What it spent stays counted.",
        )
    try:
        return RunStatus(run_id, request.spec, request.cohort_name, request.asked_at, read_progress(folder))
    except UnreadableFileError as error:
        message = (
            f"Run {run_id} cannot be read: its {PROGRESS} {error}. Mend it with `runs retry {run_id}`, which keeps a whole result and "
            "trains anything else again, from its last checkpoint. What it spent stays counted."
        )
        return UnreadableRun(run_id, message, request.spec, request.cohort_name)


@dataclass(frozen=True)
class Record:
    """What every attempt at a run did.

    Attributes:
        events: oldest first.
        is_whole: False where events are lost, so that more may have been spent than they tell.
    """

    events: tuple[Mapping[str, Any], ...]
    is_whole: bool


def read_record(folder: Path) -> Record:
    """What the attempts at the run of `folder` did.

    A line that a power cut broke off is left out: nothing was done on it yet, since an event is durable before what it tells of happens.
    """
    noted = _noted_events(folder)  # before the record, which may grow meanwhile: what is noted is never ahead of it
    try:
        content = read_whole(folder / ATTEMPTS)
    except UnreadableFileError as error:
        return Record((), error.is_missing and not was_trained(folder) and not noted)
    lines = lines_of(content)
    events: list[Mapping[str, Any]] = []
    is_whole = (content[:1] not in (b"", b"\n") or not was_trained(folder)) and n_ended(content) >= noted
    for place, line in enumerate(lines):
        try:
            event = parse_line(line, ATTEMPTS, place, folder.name, is_older=lambda: is_older(folder))
            if not isinstance(event["event"], str):
                raise ValueError("no event")
        except (ValueError, KeyError, RecursionError):
            is_whole = is_whole and _is_broken_off(line)
            continue
        is_whole = is_whole and event["event"] != DAMAGED_RECORD
        events.append(event)
    return Record(tuple(events), is_whole)


def _recorded_events(folder: Path) -> int:
    """How many lines the record of the attempts at the run of `folder` has to their end."""
    try:
        return n_ended(read_whole(folder / ATTEMPTS))
    except UnreadableFileError:
        return 0


def _noted_events(folder: Path) -> int:
    """How many it had at least, by the run's progress."""
    try:
        return read_progress(folder).recorded_events
    except UnreadableFileError:
        return 0


def _is_broken_off(line: bytes) -> bool:
    """Whether a line that is no event is the beginning of one: some ending makes it a JSON object, and it is none without."""
    if not line.isascii() or _is_object(said := line.decode()):
        return False
    # A line that ends with its last brace is whole, and damaged: a beginning can only end with the brace of an object in it.
    endings = ("",) if said.endswith("}") else ENDINGS
    return any(_is_object(f"{said}{ending}{braces}") for ending in endings for braces in ("", "}", "}}", "}}}"))


def _is_object(text: str) -> bool:
    with suppress(ValueError, RecursionError):
        return isinstance(json.loads(text), dict)
    return False


def was_trained(folder: Path) -> bool:
    """Whether the other files of a run tell of an attempt: something trained is there, or its progress counts one, or cannot be read."""
    if any((folder / name).exists() for name in TRAINED_FILES):
        return True
    try:
        progress = read_progress(folder)
    except UnreadableFileError:
        return True
    return progress.attempt > 0 or progress.total_steps > 0


def write_file(folder: Path, name: str, fields: Mapping[str, object]) -> None:
    """Replace a small file of a run, durably and whatever stands there."""
    write_sealed(folder / name, fields, folder.name)


def append_event(folder: Path, event: Mapping[str, object]) -> None:
    """Append an event to a run's record, durably; after a loss, also that something was lost, which later events would hide."""
    make_way(path := folder / ATTEMPTS)
    record = read_record(folder)
    if not record.is_whole and not any(event["event"] == DAMAGED_RECORD for event in record.events):
        append_line(path, {"event": DAMAGED_RECORD, "at": time.time()}, folder.name)
    append_line(path, event, folder.name)


def write_progress(folder: Path, progress: Progress) -> RunState | None:
    """Replace the changing part of a run's status, with the current time; the state before, None where that cannot be read."""
    try:
        before = read_progress(folder)
    except UnreadableFileError:
        before = None
    recorded = max(_recorded_events(folder), before.recorded_events if before else 0)
    write_file(folder, PROGRESS, asdict(replace(progress, updated_at=time.time(), recorded_events=recorded)))
    return before.state if before else None


def drop(folder: Path, *names: str) -> None:
    """Remove files of a run, and folders that stand in their places."""
    for name in names:
        path = folder / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
            if path.exists():  # another process has written into it meanwhile
                shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
