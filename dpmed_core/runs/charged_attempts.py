"""What each attempt at a run is charged, from the record that it left.

The rule: the sum over attempts of (end - resumed step). The end is the total of an attempt that finished, the recorded step of one that
failed or was cancelled, the last durable checkpoint of one that was killed: what it took after that was never shown, and the steps in their
place are counted instead. A recipe without checkpoints, and a result about to be stored, count whole however the attempt ends ("charged").
A run that is trained again after it finished (because its files were damaged, or its cohort was removed and came back) is another draw of
noise, and counts again. Where the record lost events, every attempt that it still tells of counts whole.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dpmed_core.runs.store import RunStore
from dpmed_core.training.result import PrivacyGuarantee


@dataclass
class Attempt:
    """One attempt at a run that got as far as planning its training.

    Attributes:
        draw: its random name, which the ledger's entry shares; of attempts by earlier versions the run_id and their number.
        guarantee: what it planned; None without privacy.
        total_steps: steps of the whole training.
        resumed: the step it began from.
        reached: its last durable checkpoint, or where it began.
        charged: the step up to which it counts whatever becomes of it; 0 where nothing was recorded.
        end: the step at which it ended; None while it is open.
        finished: whether it ended with a model.
        how: how it ended, in the words of the record, or "killed"; "open" while it has not.
    """

    draw: str
    guarantee: PrivacyGuarantee | None
    total_steps: int
    resumed: int = 0
    reached: int = 0
    charged: int = 0
    end: int | None = None
    finished: bool = False
    how: str = "open"

    @property
    def is_open(self) -> bool:
        """Whether it may still take steps, as far as its record tells."""
        return self.end is None

    @property
    def steps(self) -> int:
        """What it is charged: an open attempt counts as if it took all its steps."""
        end = self.total_steps if self.end is None else self.end
        return max(end, self.charged) - self.resumed

    def ended(self, end: int, how: str) -> None:
        """Note the end, unless it is known already."""
        if self.end is None:
            self.end, self.how, self.finished = end, how, how == "finished"


def attempts_of(runs: RunStore, run_id: str) -> list[Attempt]:
    """The attempts at a run that planned their training, oldest first."""
    return recorded_attempts(runs, run_id)[0]


def recorded_attempts(runs: RunStore, run_id: str) -> tuple[list[Attempt], bool]:
    """The attempts at a run that planned their training, oldest first; and whether its record tells of all that they did."""
    record = runs.attempts_record(run_id)
    attempts: list[Attempt] = []
    is_whole = record.is_whole
    for event in record.events:
        try:
            _apply(event, attempts, run_id)
        except (KeyError, TypeError, ValueError):  # an event that was changed
            is_whole = False
    if not is_whole:
        for attempt in attempts:
            attempt.charged = attempt.total_steps
    return attempts, is_whole


def _apply(event: Mapping[str, Any], attempts: list[Attempt], run_id: str) -> None:
    """What an event says of the last attempt, or the attempt that it begins."""
    last = attempts[-1] if attempts and attempts[-1].is_open else None
    match event["event"]:
        case "planned":
            planned = _planned(run_id, len(attempts), event)
            if last:
                last.ended(last.reached, "killed")
            attempts.append(planned)
        # The training lock was free, so that whoever held it had died; or the disk took nothing, and of the last checkpoint it is told
        # whether it was stored.
        case "started" | "withdrawn" | "waiting" if last:
            last.ended(int(event.get("stored", last.reached)), "killed")
        case "resumed" if last:
            last.resumed = last.reached = int(event["step"])
        case "checkpoint" if last:
            last.reached = int(event["step"])
        case "charged" if last:
            last.charged = int(event["steps"])
        case "failed" | "cancelled" if last:
            # The recorded step may lie before the last checkpoint, where a worker died and the next one gave up before it began.
            last.ended(max(int(event["steps"]), last.reached), event["event"])
        case "finished" if last:
            last.ended(last.total_steps, "finished")


def _planned(run_id: str, number: int, event: Mapping[str, Any]) -> Attempt:
    fields = event["guarantee"]
    guarantee = PrivacyGuarantee.from_fields(fields) if isinstance(fields, dict) else None
    total = int(str(event.get("total_steps") or (guarantee.steps if guarantee else 0)))
    return Attempt(str(event.get("draw") or f"{run_id}-{number}"), guarantee, guarantee.steps if guarantee else total)
