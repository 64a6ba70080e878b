"""Privacy and utility: AUROC against epsilon over models that were really trained."""

import pandas as pd
import streamlit as st

from dpmed_core.cohort.schema import Cohort
from dpmed_core.evaluation.wording import utility_sentence
from dpmed_core.export import figure_html, table_csv
from dpmed_core.figures import privacy_utility_figure
from dpmed_core.naming import finding_title
from dpmed_core.runs.engine import ensure_engine
from dpmed_core.runs.live import can_train_live, train_live
from dpmed_core.runs.plan import plan_runs
from dpmed_core.runs.spending import explored_sentence
from dpmed_core.runs.status import OPEN_STATES, RunState
from dpmed_core.training.spec import RunSpec
from widgets import (
    Choices,
    choice,
    chosen_cohort,
    current_choices,
    explored_of,
    installation,
    is_dark,
    refresh_seconds,
    runs_of,
    utility_of,
)

DEFAULT_EPSILON = 1.0
DRAG_EPSILONS = (0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
DRAG_TRAININGS = 3


def choose_epsilon(means: pd.DataFrame, choices: Choices) -> float | None:
    """The slider over trained budgets of the chosen recipe and unit."""
    chosen = means[(means["recipe"] == choices.recipe) & (means["unit"] == choices.unit)]
    trained = sorted(chosen["epsilon"].dropna().unique())
    if not trained:
        st.info("No private model of this recipe and unit is finished yet: train one on the page *Train*, or below.")
        return None
    options = [f"{epsilon:g}" for epsilon in trained]
    default = f"{min(trained, key=lambda epsilon: abs(epsilon - DEFAULT_EPSILON)):g}"
    picked = choice("epsilon", "Privacy budget ε", options, default=default, widget=st.select_slider)
    if picked is None:
        st.caption(f"Trained budgets: {', '.join(options)}. Train another one below.")
        if st.button("Show a trained budget"):
            st.query_params["epsilon"] = default
            st.rerun()
    return float(picked) if picked else None


def show_curve(cohort: Cohort, choices: Choices) -> None:
    """Slider, sentence, figure and table; looks again by itself."""

    @st.fragment(run_every=refresh_seconds(cohort))
    def live() -> None:
        utility, means, damaged = utility_of(cohort)
        for run_id in damaged:
            st.error(
                f"The stored files of run {run_id} are damaged; it is left out. Train it again: `python -m dpmed_core runs retry {run_id}`"
            )
        under_way = sum(s.state in OPEN_STATES for s in runs_of(cohort))
        st.caption(
            f"{under_way} models are still to come; the curve fills in by itself."
            if under_way
            else "All models that were asked for are here."
        )
        if utility.empty:
            st.info("No model is finished yet. The first points appear here by themselves; nothing queued? Plan some on the page *Train*.")
            return
        of_unit, means = utility[utility["unit"] == choices.unit], means[means["unit"] == choices.unit]
        epsilon = choose_epsilon(means, choices)
        if epsilon is not None:
            st.markdown(
                f"##### {utility_sentence(means, recipe=choices.recipe, unit=choices.unit, finding=choices.finding, epsilon=epsilon)}"
            )
            show_promise(of_unit, choices, epsilon)
        figure = privacy_utility_figure(of_unit, means, cohort, finding=choices.finding, epsilon=epsilon, dark=is_dark())
        st.plotly_chart(figure, theme=None, key="curve", config={"displaylogo": False, "toImageButtonOptions": {"format": "svg"}})
        show_table(of_unit, choices)
        left, right = st.columns(2)
        left.download_button(
            "Figure (HTML)", lambda: figure_html(figure), f"privacy-utility-{cohort.name}.html", "text/html", on_click="ignore"
        )
        right.download_button(
            "Table (CSV)", lambda: table_csv(utility), f"privacy-utility-{cohort.name}.csv", "text/csv", on_click="ignore"
        )

    live()


def show_promise(utility: pd.DataFrame, choices: Choices, epsilon: float) -> None:
    """What was promised at the chosen epsilon, complete."""
    rows = utility[(utility["epsilon"] == epsilon) & (utility["recipe"] == choices.recipe)]
    st.caption(
        installation().runs.result(rows["run_id"].iloc[0]).guarantee.sentence() + ". Holds for training patients, one model at a time."
    )


def show_table(utility: pd.DataFrame, choices: Choices) -> None:
    """Every training of the chosen finding."""
    rows = utility[utility["finding"] == choices.finding].sort_values(["recipe", "epsilon", "seed"], na_position="first")
    table = pd.DataFrame(
        {
            "Recipe": rows["recipe"],
            "ε asked": [f"{e:g}" if pd.notna(e) else "no privacy" for e in rows["epsilon"]],
            "ε spent": rows["epsilon_spent"],
            "δ": [f"{d:.0e}" if pd.notna(d) else "" for d in rows["delta"]],
            "Unit": rows["unit"],
            "Accountant": rows["accountant"].fillna(""),
            "Training": rows["seed"] + 1,
            "AUROC": rows["auroc"],
            "95 % from": rows["auroc_low"],
            "to": rows["auroc_high"],
            "Films": rows["n_cases"],
            "Positive labels": rows["n_positive"],
            "Patients": rows["n_patients"],
            "Not estimable because": rows["reason"],
        }
    )
    three = {name: st.column_config.NumberColumn(format="%.3f") for name in ("AUROC", "95 % from", "to", "ε spent")}
    with st.expander(f"Table: {finding_title(choices.finding)}, {len(table)} trainings"):
        st.dataframe(table, hide_index=True, column_config=three)


def train_between(cohort: Cohort, choices: Choices) -> None:
    """A control that trains one more budget: at once where no patient is shown, else by a click that says first what it adds."""
    if cohort.synthetic and can_train_live(installation(), cohort, planned_at(cohort, choices, DRAG_EPSILONS[0], 1)):
        drag(cohort, choices)
    with st.container(border=True):
        number, seeds = st.columns([2, 1], vertical_alignment="bottom")
        epsilon = number.number_input("Train another ε", 0.01, 1000.0, 4.0, step=0.5, format="%g", key="another-epsilon")
        n_seeds = seeds.number_input("Trainings", 1, 20, 3, key="another-trainings")
        new = [s for s in planned_at(cohort, choices, epsilon, int(n_seeds)) if installation().runs.run_id(s) not in known_runs(cohort)]
        private = [spec for spec in new if spec.privacy]
        now, then = explored_of(cohort, ()), explored_of(cohort, tuple(private))
        st.markdown(f"**So far:** {explored_sentence(now)}")
        st.markdown(
            f"**With these {len(private)} private models:** {explored_sentence(then)}" if private else "Models of this ε are there already."
        )
        if st.button(f"Train {len(new)} models", icon=":material/play_arrow:", disabled=not new):
            train_all(cohort, new)


def drag(cohort: Cohort, choices: Choices) -> None:
    """A slider that trains wherever it stops; for cohorts that show no patient."""

    def train_here() -> None:
        train_live(installation(), cohort, planned_at(cohort, choices, float(st.session_state["drag"]), DRAG_TRAININGS))
        st.query_params["epsilon"] = st.session_state["drag"]

    st.select_slider(
        "Drag to any ε: models are trained where you stop",
        [f"{epsilon:g}" for epsilon in DRAG_EPSILONS],
        f"{DEFAULT_EPSILON:g}",
        key="drag",
        on_change=train_here,
        help="Only on synthetic cohorts: each stop trains, and would spend on real patients.",
    )


def planned_at(cohort: Cohort, choices: Choices, epsilon: float, n_seeds: int) -> list[RunSpec]:
    """The runs of one budget and their twins, of the chosen recipe and unit."""
    assert choices.recipe is not None and choices.unit is not None
    return plan_runs(
        cohort, key=installation().key, recipe=choices.recipe, epsilons=[epsilon], n_seeds=n_seeds, delta=None, unit=choices.unit
    )


def known_runs(cohort: Cohort) -> set[str]:
    """The run_ids that were asked for."""
    return {s.run_id for s in runs_of(cohort) if s.state != RunState.WITHDRAWN}


def train_all(cohort: Cohort, specs: list[RunSpec]) -> None:
    """Train here what takes a moment; leave the rest to the engine."""
    if can_train_live(installation(), cohort, specs):
        train_live(installation(), cohort, specs)
    else:
        for spec in specs:
            installation().runs.ask(spec, cohort_name=cohort.name)
        ensure_engine(installation().settings)
    st.rerun()


st.title("Privacy and utility")
selected = current_choices()
if (chosen := chosen_cohort()) is not None and selected.finding and selected.recipe and selected.unit:
    show_curve(chosen, selected)
    train_between(chosen, selected)
