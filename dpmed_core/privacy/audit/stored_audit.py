"""The last audit of a run, as it is kept with the run."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from dpmed_core.files import UnreadableFileError
from dpmed_core.privacy.audit.findings import Audit, StepAudit
from dpmed_core.runs.audit_file import read_audit, write_audit
from dpmed_core.runs.store import RunStore

KINDS: Mapping[str, type[Audit] | type[StepAudit]] = {"head": Audit, "steps": StepAudit}


@dataclass(frozen=True)
class StoredAudit:
    """What an audit of a run found, and when.

    Attributes:
        at: UTC seconds since the epoch.
        found: an `Audit` for recipe `probe`, a `StepAudit` for a network.
    """

    at: float
    found: Audit | StepAudit

    def to_fields(self) -> dict[str, object]:
        """The audit as plain values for JSON; `kind` is "head" or "steps"."""
        return {"kind": kind_of(self.found), "at": self.at, **self.found.to_fields()}


def kind_of(found: Audit | StepAudit) -> str:
    """The word under which it is stored."""
    return next(kind for kind, own in KINDS.items() if isinstance(found, own))


def store_audit(runs: RunStore, run_id: str, found: Audit | StepAudit) -> None:
    """Keep `found` with its run, in place of an earlier one.

    Raises:
        RunError: the run is not there, or not finished.
    """
    write_audit(runs, run_id, kind_of(found), found.to_fields())


def stored_audit(runs: RunStore, run_id: str) -> StoredAudit | None:
    """The last audit of a run; None where there is none, or where it cannot be read, so that it is made again.

    Raises:
        RunError: there is no such run.
    """
    try:
        stored = read_audit(runs, run_id)
        return None if stored is None else StoredAudit(stored[1], _found(stored[0], stored[2]))
    except (UnreadableFileError, KeyError, TypeError, ValueError):
        return None


def _found(kind: str, facts: Mapping[str, Any]) -> Audit | StepAudit:
    own = KINDS[kind]
    values = {field.name: facts[field.name] for field in fields(own)}
    return own(**{**values, "failed": tuple(map(str, values["failed"]))})
