"""Analysis plans: what a comparison of models is about, chosen before its results exist, and what a look at results departs from.

A plan is written when the first run on a cohort is asked for, and kept in the ledger (`privacy.ledger.analysis_plans`). Looking at results
writes nothing; whatever a look shows that the plan does not name is called exploratory, on pages, in pictures and in tables.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dpmed_core.cohort.display_names import attribute_phrase, finding_phrase
from dpmed_core.evaluation.metrics.auroc import AUROC
from dpmed_core.evaluation.scores.arms import SAMPLED_ALIKE
from dpmed_core.evaluation.scores.findings import MACRO
from dpmed_core.evaluation.tables.cost_of_privacy import check_margin
from dpmed_core.phrases import counted

YOUDEN = "youden"


@dataclass(frozen=True)
class AnalysisPlan:
    """What the comparison of private models with their references is about.

    Attributes:
        attributes: what subgroups are made by, sorted.
        findings: which are judged, sorted.
        margin: loss, and excess loss, of AUROC that is still acceptable, above 0 and below 0.5.
        recipe: of the models; None in a plan of an earlier version, which did not say.
        unit: of privacy; None likewise.
        epsilons: the budgets, rising; None likewise.
        n_seeds: training runs of each arm; None likewise.
        reference: which non-private reference is the primary comparison.
        operating_point: the rule of thresholds.
    """

    attributes: tuple[str, ...]
    findings: tuple[str, ...]
    margin: float
    recipe: str | None = None
    unit: str | None = None
    epsilons: tuple[float, ...] | None = None
    n_seeds: int | None = None
    reference: str = SAMPLED_ALIKE
    operating_point: str = YOUDEN

    @classmethod
    def of(cls, attributes: Sequence[str], findings: Sequence[str], margin: float, **models: Any) -> "AnalysisPlan":
        """The plan; equal for the same choice in another order or with repetitions.

        >>> AnalysisPlan.of(["sex", "age"], ["mass"], 0.02) == AnalysisPlan.of(["age", "sex", "age"], ["mass"], 0.02)
        True

        Args:
            attributes: as in the class.
            findings: as in the class.
            margin: as in the class.
            models: the other attributes by name.

        Raises:
            SpecError: the margin cannot be used.
        """
        check_margin(margin)
        if (epsilons := models.get("epsilons")) is not None:
            models["epsilons"] = tuple(sorted({float(e) for e in epsilons}))
        return cls(tuple(sorted(set(attributes))), tuple(sorted(set(findings))), float(margin), **models)

    def fields(self) -> dict[str, object]:
        """The plan as plain values."""
        return {
            "attributes": list(self.attributes),
            "findings": list(self.findings),
            "margin": self.margin,
            "recipe": self.recipe,
            "unit": self.unit,
            "epsilons": None if self.epsilons is None else list(self.epsilons),
            "n_seeds": self.n_seeds,
            "reference": self.reference,
            "operating_point": self.operating_point,
        }

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> "AnalysisPlan":
        """The plan that `fields` gave; what a plan of an earlier version does not say stays open.

        Raises:
            SpecError: the margin cannot be used.
            KeyError, TypeError: they are no plan's.
        """
        others = ("recipe", "unit", "epsilons", "n_seeds", "reference", "operating_point")
        return cls.of(
            fields["attributes"], fields["findings"], fields["margin"], **{name: fields[name] for name in others if name in fields}
        )

    def with_models(self, other: "AnalysisPlan") -> "AnalysisPlan":
        """This plan with the budgets and training runs of another added, where it names no recipe yet, or the same recipe and unit."""
        if self.recipe is None:
            return replace(self, recipe=other.recipe, unit=other.unit, epsilons=other.epsilons, n_seeds=other.n_seeds)
        if (self.recipe, self.unit) != (other.recipe, other.unit):
            return self
        epsilons = tuple(sorted({*(self.epsilons or ()), *(other.epsilons or ())}))
        return replace(self, epsilons=epsilons, n_seeds=max(self.n_seeds or 0, other.n_seeds or 0))

    def departures(self, look: "Look") -> list[str]:
        """What a look shows that this plan does not name, in phrases; empty where all of it was planned."""
        found = [
            (look.recipe, self.recipe is None or look.recipe == self.recipe, f"the recipe {look.recipe}"),
            (look.unit, self.unit is None or look.unit == self.unit, f"the {look.unit} as unit of privacy"),
            # Epsilon 0 is a public start alone: what the others are compared with, and no budget of its own.
            *((e, self.epsilons is None or e in (0, *self.epsilons), f"ε = {e:g}") for e in look.epsilons),
            (look.n_seeds, not self.n_seeds or (look.n_seeds or 0) <= self.n_seeds, _trainings(look.n_seeds, self.n_seeds)),
            (look.attribute, look.attribute in self.attributes, f"groups by {attribute_phrase(look.attribute or 'sex')}"),
            (look.finding, look.finding in (*self.findings, MACRO), f"the finding {finding_phrase(look.finding or MACRO)}"),
            (look.margin, look.margin == self.margin, f"a margin of {look.margin or 0:g}"),
            (look.reference, look.reference == self.reference, f"the reference “{look.reference}”"),
            (look.operating_point, look.operating_point == self.operating_point, f"the operating point {look.operating_point}"),
            (look.metric, look.metric == AUROC.name, f"the measure {look.metric}"),
        ]
        return [phrase for shown, planned, phrase in found if shown is not None and not planned]


def _trainings(shown: int | None, planned: int | None) -> str:
    return f"{counted(shown or 0, 'training run', 'training runs')} for each model where {counted(planned or 0, 'was', 'were')} planned"


@dataclass(frozen=True)
class Look:
    """What results are shown of; None, or no budget, for what a look does not depend on."""

    recipe: str | None = None
    unit: str | None = None
    epsilons: tuple[float, ...] = ()
    n_seeds: int | None = None
    attribute: str | None = None
    finding: str | None = None
    margin: float | None = None
    reference: str | None = None
    operating_point: str | None = None
    metric: str | None = None


@dataclass(frozen=True)
class WrittenPlan:
    """A plan as it stands in the record.

    Attributes:
        plan: it.
        at: when it was written, in UTC seconds since the epoch.
        after_results: whether verdicts on some of these patients could have been seen before.
        seal: of its entry; empty where it stands in the record of an earlier version.
        reason: why it was changed; empty for the first.
    """

    plan: AnalysisPlan
    at: float
    after_results: bool
    seal: str = ""
    reason: str = ""


@dataclass(frozen=True)
class PlanRecord:
    """All plans that were written for a cohort.

    Attributes:
        written: oldest first.
        default: what is judged where nothing was planned.
        whole: whether nothing shows that the record was changed or is an older copy.
    """

    written: tuple[WrittenPlan, ...]
    default: AnalysisPlan
    whole: bool = True

    @property
    def plan(self) -> AnalysisPlan:
        """The one in force: the last that was written; where there is none, the default."""
        return self.written[-1].plan if self.written else self.default

    @property
    def is_exploratory(self) -> bool:
        """Whether everything is: nothing was planned before results could be seen, or nobody can tell."""
        return not self.written or not self.whole or self.written[-1].after_results

    def why_exploratory(self, look: Look) -> str:
        """Why what a look shows is exploratory, in one sentence; empty where it was planned."""
        if self.is_exploratory:
            return f"Exploratory: {self._whole_reason()}."
        departures = self.plan.departures(look)
        return f"Exploratory: the analysis plan does not name {_and(departures)}." if departures else ""

    def sentence(self) -> str:
        """What a reader of the verdicts must know of the plan."""
        if self.is_exploratory:
            reason = self._whole_reason()
            return f"{reason[0].upper()}{reason[1:]}. Read these verdicts as exploration."
        last, n_changes = self.written[-1], len(self.written) - 1
        changes = f" (changed {counted(n_changes, 'time', 'times')} before that)" if n_changes else ""
        # A plan of an earlier version did not say which budgets: the sentence must not claim them.
        named = "groups, findings and margin" if last.plan.epsilons is None else "groups, findings, budgets and margin"
        return (
            f"The analysis plan, with {named}, was written on {_when(last.at)}{changes}, before these "
            f"verdicts were first shown.{f' Seal {last.seal[:8]}.' if last.seal else ''}"
        )

    def _whole_reason(self) -> str:
        if not self.whole:
            return (
                "the ledger, in which the analysis plan stands, was changed or replaced by an older copy (`ledger check` says where), so "
                "that nobody can tell what was planned"
            )
        if not self.written:
            return "no analysis plan was written before these models were trained"
        first, last = self.written[0], self.written[-1]
        if first.after_results:
            return f"the analysis plan was written on {_when(first.at)}, when results on some of these patients could already be seen"
        return (
            f"the analysis plan of {_when(first.at)} was changed on {_when(last.at)}, when results on some of these patients could already "
            f"be seen{f' ({last.reason})' if last.reason else ''}"
        )


def _when(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at))


def _and(phrases: Sequence[str]) -> str:
    return phrases[0] if len(phrases) == 1 else f"{', '.join(phrases[:-1])} and {phrases[-1]}"
