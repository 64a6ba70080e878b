"""The budget that the page *Privacy* is about: the chosen one of the trained budgets with what its runs did, or one that is typed."""

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from dpmed_core.cohort.schema import Cohort
from dpmed_core.privacy.meaning.protected_unit import ProtectedUnit, mechanism_of_guarantee, mechanism_of_target
from dpmed_core.runs.plan import n_train_units
from dpmed_core.runs.status import RunState, RunStatus
from dpmed_core.training.accounting.pld import Mechanism
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit, default_delta
from widgets.budget import DEFAULT_EPSILON, choose_epsilon
from widgets.choices import Choices, choose_delta, chosen_delta
from widgets.lookup import installation, runs_of
from widgets.training_offer import TrainingOffer


@dataclass(frozen=True)
class BudgetShown:
    """A budget, and what is known of the trainings at it.

    Attributes:
        target: ε and δ.
        unit: what it protects as one.
        run_ids: finished runs of it; empty where nothing was trained.
        trained: all trained targets at this δ, smallest first.
    """

    target: PrivacyTarget
    unit: PrivacyUnit
    run_ids: tuple[str, ...]
    trained: tuple[PrivacyTarget, ...]

    @property
    def all_targets(self) -> tuple[PrivacyTarget, ...]:
        """All trained budgets, or the one that was typed."""
        return self.trained or (self.target,)

    @property
    def accountant(self) -> str:
        """That of the trainings, or of the Gaussian mechanism of a budget that was typed."""
        guarantee = installation().runs.result(self.run_ids[0]).guarantee if self.run_ids else None
        return guarantee.accountant if guarantee else "analytic-gaussian"

    def mechanism(self, images: int = 1) -> Mechanism:
        """What one of the trainings did, or, without any, the Gaussian mechanism of the target; as a patient of so many images sees it."""
        protected = ProtectedUnit(self.unit, images if self.unit is PrivacyUnit.IMAGE else 1)
        if self.run_ids and (guarantee := installation().runs.result(self.run_ids[0]).guarantee) is not None:
            return mechanism_of_guarantee(guarantee, protected)
        return mechanism_of_target(self.target, protected)


def choose_budget(cohort: Cohort, choices: Choices) -> BudgetShown | None:
    """The control, and the budget that is chosen with it; None where the address names one that is not trained."""
    unit = choices.unit or PrivacyUnit.PATIENT
    finished = finished_runs_of(cohort, choices)
    deltas = deltas_trained(finished)
    if not deltas:
        return _typed(cohort, unit)
    place = st.container()
    if len(deltas) > 1:
        choose_delta(deltas)
    budgets = trained_at(finished, wanted if (wanted := chosen_delta()) in deltas else deltas[0])
    with place:
        of_targets = {budget.target.epsilon: budget.target.delta for budget in budgets}
        epsilon = choose_epsilon(list(of_targets), deltas=of_targets, unit=unit.value, offer=TrainingOffer(cohort, choices))
    return next((budget for budget in budgets if epsilon is not None and f"{budget.target.epsilon:g}" == f"{epsilon:g}"), None)


def finished_runs_of(cohort: Cohort, choices: Choices) -> list[RunStatus]:
    """The finished private runs of the chosen recipe, unit and start."""
    return [status for status in runs_of(cohort) if _is_of(status, choices, choices.unit or PrivacyUnit.PATIENT)]


def deltas_trained(finished: Sequence[RunStatus]) -> list[float]:
    """The deltas of `finished` runs, smallest first."""
    return sorted({status.spec.privacy.delta for status in finished if status.spec.privacy})


def trained_at(finished: Sequence[RunStatus], delta: float) -> list[BudgetShown]:
    """What `finished` runs, of one unit, were trained at with this `delta`, smallest ε first."""
    runs = {s.run_id: s.spec.privacy for s in finished if s.spec.privacy is not None and s.spec.privacy.delta == delta}
    targets = tuple(sorted(set(runs.values()), key=lambda target: target.epsilon))
    return [
        BudgetShown(target, finished[0].spec.unit, tuple(run_id for run_id, of_run in runs.items() if of_run == target), targets)
        for target in targets
    ]


def _is_of(status: RunStatus, choices: Choices, unit: PrivacyUnit) -> bool:
    """Whether a run is finished and of the chosen recipe, unit and start, with a budget."""
    spec = status.spec
    start = spec.start.name if spec.start else None
    return (
        status.state is RunState.FINISHED
        and spec.privacy is not None
        and spec.privacy.epsilon > 0
        and (spec.variant, spec.unit, start) == (choices.recipe, unit, choices.start)
    )


def _typed(cohort: Cohort, unit: PrivacyUnit) -> BudgetShown:
    """A budget that nothing was trained with: what it would mean can be seen before anything is spent."""
    st.caption("No private model with this recipe and unit is finished yet: train one on the page *Train*. What a budget would mean:")
    left, right = st.columns(2)
    units = n_train_units(cohort, key=installation().key, unit=unit)
    epsilon = left.number_input("Privacy budget ε", 0.01, 1000.0, DEFAULT_EPSILON, step=0.5, format="%g", key="meaning-epsilon")
    delta = right.number_input("δ", 1e-12, 0.1, default_delta(max(units, 1)), format="%g", key="meaning-delta")
    return BudgetShown(PrivacyTarget(float(epsilon), float(delta)), unit, (), ())
