"""The last audit of a run's mechanism, kept in the run's folder: RUN_ID/audit.json, sealed, replaced by the next audit.

It is of the mechanism, not of the weights: a run that is trained again keeps it. `RunStore.withdraw` removes it.
"""

import time
from collections.abc import Mapping
from typing import Any

from dpmed_core.errors import RunError
from dpmed_core.files import UnreadableFileError, check_fields
from dpmed_core.runs.folder import AUDIT, write_file
from dpmed_core.runs.status import RunState
from dpmed_core.runs.store import RunStore
from dpmed_core.sealed_files import read_sealed


def write_audit(runs: RunStore, run_id: str, kind: str, found: Mapping[str, object]) -> None:
    """Keep what an audit found, with the time.

    Args:
        runs: the store.
        run_id: of a finished run.
        kind: what was audited, a word of the caller's.
        found: plain values for JSON.

    Raises:
        RunError: the run is not there or not finished, e.g. was withdrawn while it was audited.
    """
    with runs.state_lock(run_id):
        if (state := runs.status(run_id).state) is not RunState.FINISHED:
            raise RunError(f"The audit of run {run_id} is not kept, since the run is {state.value}.")
        write_file(runs.root / run_id, AUDIT, {"kind": kind, "at": time.time(), "found": dict(found)})


def read_audit(runs: RunStore, run_id: str) -> tuple[str, float, dict[str, Any]] | None:
    """Kind, time (in UTC seconds since the epoch) and findings of the last audit; None where there is none.

    Raises:
        RunError: there is no such run.
        UnreadableFileError: it was changed, or is another run's.
    """
    if run_id not in runs:
        raise RunError(f"There is no run {run_id!r}: list them with `runs`.")
    try:
        fields = read_sealed(runs.root / run_id / AUDIT, run_id)
    except UnreadableFileError as error:
        if error.is_missing:
            return None
        raise
    check_fields(fields, {"kind": str, "at": float, "found": dict})
    return fields["kind"], fields["at"], fields["found"]
