"""The checklist of a review as it stands: what the program filled in, what people answered, what is open."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dpmed_core.review.filled_in import filled_in
from dpmed_core.review.guidance import POINTS, Point
from dpmed_core.review.records import Met
from dpmed_core.review.store import Review

PROGRAM = "DPMed"


@dataclass(frozen=True)
class Answered:
    """A point with its answer.

    Attributes:
        point: it.
        met: whether it is met; None while it is open.
        text: the words.
        by: who answered: the program, or name and role.
        seq: the record of the answer; 0 of what the program filled in.
    """

    point: Point
    met: Met | None = None
    text: str = ""
    by: str = ""
    seq: int = 0

    def to_fields(self) -> dict[str, object]:
        """The point and its answer as plain values for JSON."""
        answer = {"met": self.met.value if self.met else None, "text": self.text, "by": self.by, "seq": self.seq}
        return {"point": self.point.name, "source": self.point.source, "where": self.point.where, "about": self.point.about, **answer}


def checklist(review: Review, tables: Mapping[str, Any] | None) -> list[Answered]:
    """Every point in its order; a person's last answer counts, and before the program's.

    Args:
        review: the review.
        tables: the rows that were frozen; None where they are not genuine, so that the program answers nothing.
    """
    filled = {} if tables is None else filled_in(review.frozen, tables)
    program = {name: (met, text, PROGRAM, 0) for name, (met, text) in filled.items()}
    people = {
        str(record.body["point"]): (Met(record.body["met"]), str(record.body["text"]), ", ".join(record.author), record.seq)
        for record in review.of_kind("answer")
    }
    answers = {**program, **people}
    return [Answered(point, *answers[point.name]) if point.name in answers else Answered(point) for point in POINTS]


def n_open(points: Sequence[Answered]) -> int:
    """How many points nobody has answered."""
    return sum(one.met is None for one in points)


def open_in_words(points: Sequence[Answered]) -> str:
    """How many points are open and how many not met, in words."""
    return f"{n_open(points)} of {len(points)} points are open, {sum(one.met is Met.NOT_MET for one in points)} are not met"
