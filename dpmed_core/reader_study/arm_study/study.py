"""A study with several readers and arms, as it was planned: nothing in it changes afterwards.

Scores, thresholds and labels are those of the day on which the study was planned, so that all readers of an arm see the same aid whatever
is trained or withdrawn meanwhile.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import NamedTuple

import pandas as pd

from dpmed_core.reader_study.multi_reader.crossing import crossing_plan


@dataclass(frozen=True)
class AidingModel:
    """The one model of an aided arm.

    Attributes:
        run_id: of its training run.
        guarantee: its guarantee in one sentence; empty of a model without privacy.
        threshold: from which a score counts as positive; None where it has none.
        scores: its score of each case, in the order of the study's cases.
    """

    run_id: str
    guarantee: str
    threshold: float | None
    scores: tuple[float, ...] = field(repr=False)


class Aid(NamedTuple):
    """What an aided reader sees of the model: not which model it is.

    Attributes:
        score: of the case.
        threshold: the model's own; None where it has none.
    """

    score: float
    threshold: float | None

    @property
    def is_positive(self) -> bool | None:
        """The model's answer; None where it has no threshold.

        >>> Aid(0.4, 0.4).is_positive, Aid(0.3, 0.4).is_positive, Aid(0.3, None).is_positive
        (True, False, None)
        """
        return None if self.threshold is None else self.score >= self.threshold


class PlannedReading(NamedTuple):
    """One case to read: its place in the reader's session, from 1, and the arm in which it is read."""

    place: int
    case_id: str
    arm: str


@dataclass(frozen=True)
class ArmStudy:
    """A study with several readers and arms.

    Attributes:
        study_id: its random name.
        fingerprint: of the cohort's data.
        title: its title.
        planned_by: who planned it.
        planned_at: UTC seconds since the epoch.
        finding: the finding that readers judge.
        balanced: whether half of the cases have the finding, as far as possible.
        readers: their names.
        arms: two and more of `multi_reader.ratings.ARMS`.
        wash_out_days: between two sessions of a reader; 0 in a trial.
        seed: of the crossing plan.
        cases: the case_ids.
        with_finding: of each case.
        models: by aided arm.
    """

    study_id: str
    fingerprint: str
    title: str
    planned_by: str
    planned_at: float
    finding: str
    balanced: bool
    readers: tuple[str, ...]
    arms: tuple[str, ...]
    wash_out_days: int
    seed: int
    cases: tuple[str, ...] = field(repr=False)
    with_finding: tuple[bool, ...] = field(repr=False)
    models: Mapping[str, AidingModel] = field(repr=False)

    @property
    def n_sessions(self) -> int:
        """Sessions of each reader."""
        return len(self.arms)

    @property
    def n_readings(self) -> int:
        """Answers that the whole study needs."""
        return len(self.readers) * len(self.arms) * len(self.cases)

    @cached_property
    def plan(self) -> pd.DataFrame:
        """Who reads what when (`multi_reader.crossing.PLAN_COLUMNS`); the same from the study's seed at every time."""
        return crossing_plan(
            self.readers,
            self.cases,
            self.arms,
            seed=self.seed,
            with_finding=self.with_finding,
            wash_out_days=self.wash_out_days or None,
        )

    def session(self, reader: str, number: int) -> list[PlannedReading]:
        """What a reader reads in session `number`, from 1, in order."""
        of_session = self.plan[(self.plan["reader"] == reader) & (self.plan["session"] == number)]
        rows = zip(of_session["place"], of_session["case"], of_session["arm"], strict=True)
        return [PlannedReading(int(place), str(case_id), str(arm)) for place, case_id, arm in rows]

    def aid(self, case_id: str, arm: str) -> Aid | None:
        """What the model of an arm says of a case; None in the arm without a model."""
        model = self.models.get(arm)
        return None if model is None else Aid(model.scores[self.cases.index(case_id)], model.threshold)


def as_json(study: ArmStudy) -> str:
    """A study as text; `from_json` gives it back."""
    return json.dumps(asdict(study), sort_keys=True, separators=(",", ":"), allow_nan=False)


def from_json(text: str) -> ArmStudy:
    """The study that `as_json` wrote."""
    said = json.loads(text)
    models = {arm: AidingModel(**{**model, "scores": tuple(model["scores"])}) for arm, model in said.pop("models").items()}
    said |= {name: tuple(said[name]) for name in ("readers", "arms", "cases", "with_finding")}
    return ArmStudy(**said, models=models)
