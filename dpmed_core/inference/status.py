"""The status of an inference request."""

from dataclasses import dataclass
from enum import StrEnum


class Stage(StrEnum):
    """The stages of a request; in `WAITING` and `WORKING` it is open, in the others it has ended."""

    WAITING = "waiting"
    WORKING = "working"
    ANSWERED = "answered"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


OPEN_STAGES = (Stage.WAITING, Stage.WORKING)
NO_ANSWER = (
    "There was no answer in time: the engine is not running, or every worker is busy. Try again, or see engine/engine.log in the data "
    "folder."
)


@dataclass(frozen=True)
class RequestState:
    """How far a request is.

    Attributes:
        stage: the stage.
        done: finished parts of `total`.
        total: 0 until work on it has begun.
        message: why there is no answer, for the person who asked.
        waited_seconds: time since the request was stored.
    """

    stage: Stage
    done: int = 0
    total: int = 0
    message: str = ""
    waited_seconds: float = 0.0

    @property
    def is_open(self) -> bool:
        """Whether an answer may still come."""
        return self.stage in OPEN_STAGES
