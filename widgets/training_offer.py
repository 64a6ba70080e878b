"""Training at a budget that has no model yet: what it would add to what was spent, and the button that begins it."""

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from dpmed_core.cohort.schema import Cohort
from dpmed_core.engine.inline_training import can_train_inline, train_inline
from dpmed_core.engine.process import ensure_engine
from dpmed_core.foreign_text import plain
from dpmed_core.people.roles import Action
from dpmed_core.phrases import counted
from dpmed_core.privacy.total_sentence import total_sentence
from dpmed_core.runs.plan import plan_runs
from dpmed_core.runs.status import RunState
from dpmed_core.training.spec import RunSpec, base_recipe
from widgets.address.session import gesture
from widgets.choices import Choices
from widgets.lookup import installation, runs_of, unreadable_of
from widgets.people.sign_on import may
from widgets.recipes import encoder_digest
from widgets.spending import total_of
from widgets.starts import start_of_page

OFFERED_EPSILONS = (0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
N_RUNS = 3
ASKED = "asked-epsilon"


@dataclass(frozen=True, eq=False)
class TrainingOffer:
    """What the budget axis offers to train, of one cohort with the choices of a page."""

    cohort: Cohort
    choices: Choices

    @property
    def offered(self) -> list[str]:
        """The budgets; none where training is blocked, whoever looks may not train, or a choice is missing."""
        if self.cohort.blocking or not may(Action.TRAIN) or not (self.choices.recipe and self.choices.unit):
            return []
        return [f"{epsilon:g}" for epsilon in OFFERED_EPSILONS]

    @property
    def trains_at_once(self) -> bool:
        """Whether a budget that is asked for is trained where the reader stands: on a synthetic cohort of quick models, which holds no
        patient whose privacy a run would spend.
        """
        return self.cohort.synthetic and can_train_inline(installation(), self.cohort, planned_at(self.cohort, self.choices, 1.0, 1))

    def ask(self, budget: str) -> None:
        """Train at `budget` at once, or remember that the page shows what it would add."""
        st.session_state[ASKED] = (self.cohort.fingerprint, budget)
        if self.trains_at_once:
            train_inline(installation(), self.cohort, planned_at(self.cohort, self.choices, float(budget), N_RUNS))
            gesture("epsilon", budget)

    def show_asked(self, trained: Sequence[str]) -> None:
        """Show the offer that was asked for, until it is trained or put away."""
        asked = st.session_state.get(ASKED)
        if asked is None or asked[0] != self.cohort.fingerprint:
            return
        if asked[1] in trained:
            st.session_state.pop(ASKED)
            return
        with st.container(border=True):
            words, close = st.columns([8, 1], vertical_alignment="top")
            words.markdown(f"**No model is trained at ε = {plain(asked[1])}.**")
            if close.button("Close", key="asked-close"):
                st.session_state.pop(ASKED)
                st.rerun()
            offer_training(self.cohort, self.choices, float(asked[1]), key="asked")


def offer_typed(cohort: Cohort, choices: Choices) -> None:
    """Offer training at a budget that is typed, since the axis has not all."""
    if not may(Action.TRAIN):
        return
    with st.expander("Train at another ε", key="another-open", on_change="rerun") as panel:
        if panel.open:
            epsilon = st.number_input("ε", 0.01, 1000.0, 4.0, step=0.5, format="%g", key="another-epsilon")
            offer_training(cohort, choices, epsilon, key="another")


def offer_training(cohort: Cohort, choices: Choices, epsilon: float, *, key: str) -> None:
    """Show what models of `epsilon` would add to what was spent on the patients, and the button that trains them."""
    n_seeds = st.number_input("Training runs", 1, 20, N_RUNS, key=f"{key}-n-runs", width=200)
    new = not_asked_for(cohort, planned_at(cohort, choices, epsilon, int(n_seeds)))
    private = tuple(spec for spec in new if spec.privacy)
    st.markdown(f"**So far:** {plain(total_sentence(total_of(cohort)))}")
    if private:
        count = counted(len(private), "private model", "private models")
        st.markdown(f"**With {count} of ε = {epsilon:g}:** {plain(total_sentence(total_of(cohort, private)))}")
    else:
        st.markdown("Models of this ε are already queued or trained.")
    if st.button(f"Train {counted(len(new), 'model', 'models')}", icon=":material/play_arrow:", disabled=not new, key=f"{key}-train"):
        train_all(cohort, new)


def planned_at(cohort: Cohort, choices: Choices, epsilon: float, n_seeds: int) -> list[RunSpec]:
    """The runs of one budget and their non-private references, of the chosen recipe and unit."""
    assert choices.recipe is not None and choices.unit is not None
    return plan_runs(
        cohort,
        key=installation().key,
        recipe=base_recipe(choices.recipe),
        encoder=encoder_digest(choices.recipe),
        epsilons=[epsilon],
        n_seeds=n_seeds,
        delta=None,
        unit=choices.unit,
        start=start_of_page(cohort),
    )


def not_asked_for(cohort: Cohort, specs: list[RunSpec]) -> list[RunSpec]:
    """Those of `specs` that are neither queued nor trained; a withdrawn run can be queued again, a failed one has its own button."""
    asked = {s.run_id for s in runs_of(cohort) if s.state != RunState.WITHDRAWN} | {run.run_id for run in unreadable_of(cohort) if run.spec}
    return [spec for spec in specs if installation().runs.run_id(spec) not in asked]


def train_all(cohort: Cohort, specs: list[RunSpec]) -> None:
    """Train in this process what takes a moment; leave the rest to the engine."""
    if can_train_inline(installation(), cohort, specs):
        train_inline(installation(), cohort, specs)
    else:
        installation().ledger.ask(cohort, specs)
        ensure_engine(installation().settings)
    st.rerun()
