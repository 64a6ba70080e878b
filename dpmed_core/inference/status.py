"""Where a question stands."""

from dataclasses import dataclass
from enum import StrEnum


class Stage(StrEnum):
    """The stages of a question; `WAITING` and `WORKING` are open, the others ended."""

    WAITING = "waiting"
    WORKING = "working"
    ANSWERED = "answered"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


OPEN_STAGES = (Stage.WAITING, Stage.WORKING)
NO_ANSWER = "No answer came in time: the engine is not running, or every worker is busy. Ask again, or look into engine.log."


@dataclass(frozen=True)
class RequestState:
    """Where a question stands.

    Attributes:
        stage: the stage.
        done: of `total` parts.
        total: 0 until work on it has begun.
        message: why there is no answer, for the person who asked.
        waited_seconds: since it was asked.
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
