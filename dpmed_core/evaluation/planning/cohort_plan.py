"""The plan of a cohort: what its test patients can judge, which losses they can show, and what to expect of each budget."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import pandas as pd

from dpmed_core.cohort.groups import UNKNOWN
from dpmed_core.cohort.schema import Cohort, Split
from dpmed_core.errors import SpecError
from dpmed_core.evaluation.planning.comparison import MOST_TRAININGS, Comparison, Detectable, Sizes
from dpmed_core.evaluation.planning.held_out import HeldOut, effective_by_class
from dpmed_core.evaluation.planning.informative_units import TrainingDesign, informative_units
from dpmed_core.evaluation.planning.loss_law import Expected, LossLaw, loss_law
from dpmed_core.evaluation.planning.repeated_splits import N_SPLITS, splits_advice
from dpmed_core.evaluation.scores.grouping import EVERYBODY
from dpmed_core.evaluation.tables.cost_of_privacy import DEFAULT_MARGIN, check_margin
from dpmed_core.imaging.modality import Modality
from dpmed_core.training.recipes.catalogue import PROBE
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit, base_recipe

PLAN_COLUMNS = (
    "finding",
    "attribute",
    "subgroup",
    "epsilon",
    "judgeable",
    "reason",
    "remark",
    "detectable_loss",
    "detectable_loss_alone",
    "detectable_extra_loss",
    "extra_reason",
    "expected_loss",
    "expected_low",
    "expected_high",
    "true_low",
    "true_high",
    "expected_reason",
    "expected_auroc",
    "margin",
    "trainings_needed",
    "patients_needed",
    "needed_reason",
    "splits",
    "detectable_loss_over_splits",
    "epsilon_over_splits",
    "splits_worth",
    "n_positive",
    "n_negative",
    "n_patients",
    "effective_patients",
    "n_positive_validation",
    "n_trainings",
    "comparisons",
    "delta",
    "unit",
    "recipe",
)
FRACTIONS = (
    "epsilon",
    "delta",
    "margin",
    "effective_patients",
    "detectable_loss",
    "detectable_loss_alone",
    "detectable_extra_loss",
    "expected_loss",
    "expected_low",
    "expected_high",
    "true_low",
    "true_high",
    "expected_auroc",
    "detectable_loss_over_splits",
    "epsilon_over_splits",
)
LEVEL = 0.05
"""One-sided, of a whole family: divided by the number of its comparisons (Bonferroni)."""
WITHIN = 0.5
"""Correlation that is assumed between images of a patient: half-way between independent images and copies."""
OTHER_RECIPE = f"the law of the loss to expect was measured for recipe {PROBE.name} only"
OTHER_START = "the law of the loss to expect was measured for findings that begin from scratch"
OTHER_VERSION = f"the law of the loss to expect was measured for another version of recipe {PROBE.name}"
OTHER_MODALITY = "the law of the loss to expect was measured on radiographs only"
OF_WHOLE_COHORTS = "the law of the loss to expect is of whole cohorts and says nothing of one subgroup"
NOBODY_TO_COMPARE = "no other subgroup to compare with can be judged"
UNKNOWN_GROUP = "patients of unknown value are compared with nobody"


@dataclass(frozen=True)
class PlanRequest:
    """What is planned.

    Attributes:
        recipe: name, or with an added encoder the name of that variant.
        unit: of privacy.
        targets: budgets, with their deltas.
        n_trainings: of each budget, and of the reference.
        by: attributes of the subgroups.
        margin: loss of AUROC that should be found.
        reference: AUROC expected without privacy; None for the prior.
        at_start: the findings that begin at a public start; the others are trained as from scratch (`docs/RESULTS.md`).

    Raises:
        SpecError: the margin, or the AUROC, cannot be used.
    """

    recipe: str
    unit: PrivacyUnit
    targets: tuple[PrivacyTarget, ...]
    n_trainings: int
    by: tuple[str, ...] = ()
    margin: float = DEFAULT_MARGIN
    reference: float | None = None
    at_start: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        check_margin(self.margin)
        if self.reference is not None and not 0.5 < self.reference < 1:
            raise SpecError(f"An AUROC of {self.reference:g} cannot be expected without privacy: name one above 0.5 and below 1.")


def plan_rows(cohort: Cohort, split: Split, request: PlanRequest, *, n_units: int) -> pd.DataFrame:
    """One row a finding, group and budget, with `PLAN_COLUMNS`; everybody is the attribute and subgroup "all".

    judgeable: whether an AUROC of the test patients will be estimable; reason says why not, or else why detectable_loss is missing.
    detectable_loss: private minus non-private, of this group, found with a probability of 80 %; detectable_loss_alone: if this were the
    only comparison. detectable_extra_loss: the same as detectable_loss, of the group's loss beyond that of all others. expected_loss,
    expected_low, expected_high: mean and 90 % prediction interval of the loss that these trainings will show in these test patients;
    true_low, true_high: the same without the chance of both. trainings_needed and patients_needed (in the whole cohort): until a loss of
    `margin` would be found, for subgroups an extra loss.

    Only labels and attributes of held-out patients are read, and the number of training units, which is public.

    Args:
        cohort: whose patients.
        split: says which are held out.
        request: what is planned.
        n_units: training units.

    Raises:
        CohortError: there is no such attribute.
    """
    planner = _Planner(cohort, HeldOut.of(cohort, split, request.by), request, n_units)
    # Objects first: a column of whole numbers with gaps would become one of fractions.
    table = pd.DataFrame(list(planner.rows()), columns=list(PLAN_COLUMNS), dtype=object)
    return table.astype({"judgeable": bool, **dict.fromkeys(FRACTIONS, float)})


@dataclass(frozen=True, eq=False)
class _Planner:
    """What the rows of one plan share."""

    cohort: Cohort
    held_out: HeldOut
    request: PlanRequest
    n_units: int

    @property
    def groups(self) -> tuple[tuple[str, str], ...]:
        """Attribute and name of each group; everybody first."""
        return self.held_out.test.grouping.groups

    @cached_property
    def reasons(self) -> list[list[str]]:
        """Why a group cannot be judged `[n_findings][n_groups]`."""
        return self.held_out.reasons()

    @cached_property
    def design(self) -> TrainingDesign:
        """Of the training, as far as it is known before it."""
        prevalences = [self.held_out.prevalence(index) for index in range(len(self.held_out.findings))]
        per_patient = [design.counts.cases[0] / max(design.counts.patients[0], 1) for design in self.held_out.test.designs]
        images = max([1.0, *map(float, per_patient)]) if self.request.unit is PrivacyUnit.PATIENT else 1.0
        return TrainingDesign(self.n_units, images, tuple(0.0 if math.isnan(p) else p for p in prevalences))

    @cached_property
    def sizes(self) -> list[list[Sizes]]:
        """`[n_findings][n_groups]`."""
        found = []
        for design in self.held_out.test.designs:
            negative, positive = effective_by_class(design, within=WITHIN)
            columns = (positive.tolist(), negative.tolist(), design.counts.effective.tolist(), design.counts.patients.tolist())
            found.append([Sizes(*row) for row in zip(*columns, strict=True)])
        return found

    def comparisons(self, of_everybody: bool) -> int:
        """How many comparisons are planned of everybody, or of subgroups."""
        judged = [not reason for row in self.reasons for reason in (row[:1] if of_everybody else row[1:])]
        return max(sum(judged), 1) * len(self.request.targets)

    def rows(self) -> Iterator[dict[str, object]]:
        """Every row, finding by finding."""
        for finding_index in range(len(self.held_out.findings)):
            for group in range(len(self.groups)):
                for target in self.request.targets:
                    yield self._counts(finding_index, group, target) | self._judgement(finding_index, group, target)

    def _counts(self, finding_index: int, group: int, target: PrivacyTarget) -> dict[str, object]:
        """What a row says of the group and the plan."""
        counts, request = self.held_out.test.counts[finding_index], self.request
        attribute, subgroup = self.groups[group]
        return {
            "finding": self.held_out.findings[finding_index],
            "attribute": attribute,
            "subgroup": subgroup,
            "epsilon": target.epsilon,
            "delta": target.delta,
            "unit": request.unit.value,
            "recipe": request.recipe,
            "remark": "" if group else self.held_out.remark(finding_index),
            "margin": request.margin,
            "n_positive": int(counts.positive[group]),
            "n_negative": int(counts.cases[group] - counts.positive[group]),
            "n_patients": int(counts.patients[group]),
            "effective_patients": float(counts.effective[group]),
            "n_positive_validation": int(self.held_out.validation.counts[finding_index].positive[0]),
            "n_trainings": request.n_trainings,
            "comparisons": self.comparisons(group == 0),
        }

    def _judgement(self, finding_index: int, group: int, target: PrivacyTarget) -> dict[str, object]:
        """What a row says of losses."""
        reason = self.reasons[finding_index][group]
        if reason:
            nothing = {name: reason for name in ("reason", "extra_reason", "expected_reason", "needed_reason")}
            return {"judgeable": False, **nothing}
        law = loss_law()
        units = max(informative_units(self.design, finding_index, target), 1e-9)
        information = self._label_information(finding_index)
        expected = law.expected(units, label_information=information, reference=self.request.reference)
        own = self._comparison(finding_index, group, units, expected, law)
        error = own.standard_error(expected.loss, self.request.n_trainings)
        seen = law.expected(units, label_information=information, reference=self.request.reference, error=error)
        loss = own.detectable(self.request.n_trainings)
        against, why = self._against_others(finding_index, group, own, expected)
        extra = against.detectable(self.request.n_trainings) if against else Detectable(None, why)
        return {
            "judgeable": True,
            "reason": loss.reason,
            "detectable_loss": loss.loss,
            "detectable_loss_alone": replace(own, level=LEVEL).detectable(self.request.n_trainings).loss,
            "detectable_extra_loss": extra.loss,
            "extra_reason": extra.reason,
            **self._expected(expected, seen, finding_index, group),
            **self._needed(against if group else own, why),
            **(self._splits(own, loss, target) if group == 0 else {}),
        }

    def _label_information(self, finding_index: int) -> float:
        """Training units times the variance of their labels."""
        p = self.design.prevalences[finding_index]
        return self.n_units * p * (1 - p)

    def _comparison(self, finding_index: int, group: int, units: float, expected: Expected, law: LossLaw) -> Comparison:
        """The group's loss."""
        return Comparison(
            groups=(self.sizes[finding_index][group],),
            reference=expected.reference,
            private=expected.reference,
            prior=law.training_prior(units, expected, reference_varies=base_recipe(self.request.recipe) != PROBE.name),
            level=LEVEL / self.comparisons(group == 0),
        )

    def _against_others(self, finding_index: int, group: int, own: Comparison, expected: Expected) -> tuple[Comparison | None, str]:
        """The group's extra loss; or None, and why there is no such comparison."""
        attribute, subgroup = self.groups[group]
        if attribute == EVERYBODY:
            return None, ""
        if subgroup == UNKNOWN:
            return None, UNKNOWN_GROUP
        others = [
            self.sizes[finding_index][other]
            for other, (of, name) in enumerate(self.groups)
            if of == attribute and name != UNKNOWN and other != group and not self.reasons[finding_index][other]
        ]
        if not others:
            return None, NOBODY_TO_COMPARE
        return replace(own, groups=(*own.groups, *others), private=max(expected.reference - expected.loss, 0.5)), ""

    def _expected(self, expected: Expected, seen: Expected, finding_index: int, group: int) -> dict[str, object]:
        """The loss to expect, where the law holds, and as it will be seen in these test patients."""
        reason = self._outside_the_law(finding_index) or ("" if group == 0 else OF_WHOLE_COHORTS)
        if reason:
            return {"expected_reason": reason, "expected_auroc": expected.reference}
        return {
            "expected_loss": expected.loss,
            "expected_low": seen.low,
            "expected_high": seen.high,
            "true_low": expected.low,
            "true_high": expected.high,
            "expected_auroc": expected.reference,
            "expected_reason": "",
        }

    def _splits(self, own: Comparison, one_split: Detectable, target: PrivacyTarget) -> dict[str, object]:
        """What repeated random splits would find and spend; nothing where the source names the parts."""
        if self.cohort.has_own_split:
            return {}
        advice = splits_advice(own, one_split.loss, recipe=self.request.recipe, target=target)
        numbers = {"detectable_loss_over_splits": advice.loss, "epsilon_over_splits": advice.epsilon}
        return {"splits": N_SPLITS, **numbers, "splits_worth": advice.worth}

    def _outside_the_law(self, finding_index: int) -> str:
        if self.request.recipe != PROBE.name:
            return OTHER_RECIPE
        if self.held_out.findings[finding_index] in self.request.at_start:
            return OTHER_START
        if PROBE.version != loss_law().recipe_version:
            return OTHER_VERSION
        return OTHER_MODALITY if self.cohort.modality is not Modality.RADIOGRAPH else ""

    def _needed(self, comparison: Comparison | None, why: str) -> dict[str, object]:
        """Trainings and patients until the margin would be found."""
        if comparison is None:
            return {"needed_reason": why}
        margin, m = self.request.margin, self.request.n_trainings
        trainings, fold = comparison.trainings_needed(margin), comparison.fold_needed(margin, m)
        missing = []
        if trainings is None:
            missing.append(f"no number of trainings up to {MOST_TRAININGS} is enough with these patients")
        if fold is None:
            missing.append(comparison.detectable(m).reason if m < 2 else f"no number of patients is enough with {m} trainings")
        patients = None if fold is None else math.ceil(fold * self.cohort.cases["patient_id"].nunique())
        return {"trainings_needed": trainings, "patients_needed": patients, "needed_reason": "; ".join(missing)}
