"""Privacy and utility: a metric against epsilon over trained models, and what privacy costs."""

from pathlib import Path

import pandas as pd
import streamlit as st

from dpmed_core.cohort.display_names import IMAGE_WORDS, finding_title
from dpmed_core.cohort.schema import Cohort
from dpmed_core.engine.inline_training import can_train_inline, train_inline
from dpmed_core.engine.process import ensure_engine
from dpmed_core.evaluation.metrics.auroc import AUROC
from dpmed_core.evaluation.metrics.catalogue import metric_called
from dpmed_core.evaluation.tables.all_tables import MetricTables
from dpmed_core.evaluation.tables.cost_of_privacy import DEFAULT_MARGIN
from dpmed_core.foreign_text import plain
from dpmed_core.imaging.modality import Modality
from dpmed_core.phrases import counted, delta_text
from dpmed_core.privacy.total_sentence import total_sentence
from dpmed_core.reporting.catalogue import CATALOGUE, Page, figures_of
from dpmed_core.reporting.choice import Choice
from dpmed_core.reporting.wording.training_state import training_sentence
from dpmed_core.reporting.wording.utility import REFERENCE, added_sentence, utility_sentence
from dpmed_core.runs.plan import plan_runs
from dpmed_core.runs.status import RunState
from dpmed_core.training.spec import RunSpec, base_recipe
from widgets.address.session import gesture
from widgets.analysis_plan import plans_of
from widgets.budget import DEFAULT_EPSILON, choose_epsilon, show_guarantee, show_left_out
from widgets.choices import Choices, choice, current_choices
from widgets.cohort import chosen_cohort
from widgets.figure import choose_metric, downloads, show_figure
from widgets.lookup import installation, live, runs_of, unreadable_of
from widgets.practice import show_practice
from widgets.random_splits import show_random_splits
from widgets.recipes import encoder_digest
from widgets.spending import total_of
from widgets.starts import start_of_page
from widgets.tables import tables_of

DRAG_EPSILONS = (0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
DRAG_RUNS = 3
MARGINS = ("0.005", "0.01", "0.02", "0.03", "0.05", "0.1")
MAIN, *DETAILS = figures_of(Page.PRIVACY_UTILITY)


def show_results(cohort: Cohort, choices: Choices, metric: str) -> None:
    """Show slider, sentence, figures and table, and renew them while models are trained."""

    def part() -> None:
        """Everything that depends on the runs, drawn again by `live`."""
        tables = tables_of(cohort)
        of_metric = tables.of(metric_called(metric))
        show_left_out(tables)
        st.caption(plain(training_sentence(status.state for status in runs_of(cohort))))
        if tables.is_empty:
            st.info("No model is finished yet. The first points appear here by themselves; nothing queued? Plan some on the page *Train*.")
            return
        of_choice = Choice(recipe=choices.recipe, unit=choices.unit).rows(tables.runs)
        epsilon = choose_epsilon(list(of_choice["epsilon"].dropna().unique()))
        if epsilon is not None:
            about = {"recipe": choices.recipe, "unit": choices.unit, "finding": choices.finding, "epsilon": epsilon}
            sentence = utility_sentence(of_metric.overall, metric=of_metric.metric, **about)
            st.markdown(f"## {plain(sentence)}")
            if choices.start and (added := added_sentence(of_metric.added, metric=of_metric.metric, **about)):
                st.markdown(plain(added))
            show_guarantee(list(of_choice.loc[of_choice["epsilon"] == epsilon, "run_id"]))
            st.caption(REFERENCE)
        shown = Choice(
            finding=choices.finding,
            recipe=choices.recipe,
            unit=choices.unit,
            epsilon=epsilon,
            metric=metric,
            published=published_behind(cohort, metric),
        )
        show_figure(MAIN, tables, shown, cohort)
        downloads([MAIN], tables, shown, cohort)
        show_table(of_metric, choices, IMAGE_WORDS[cohort.modality].several)
        if epsilon is not None:
            show_practice(tables, shown, IMAGE_WORDS[cohort.modality].several)
            show_random_splits(cohort, choices, plans_of(cohort).plan.margin)
            show_detail(cohort, shown)

    live(cohort, part)


def published_behind(cohort: Cohort, metric: str) -> Path | None:
    """The folder of published results, where the reader wants them behind the curve; None for others than AUROCs on CT."""
    if cohort.modality is not Modality.CT or metric != AUROC.name:
        return None
    wanted = st.toggle("Published results for pancreatic ductal adenocarcinoma (PDAC) behind the curve", key="published")
    return installation().settings.reference_dir if wanted else None


def show_detail(cohort: Cohort, shown: Choice) -> None:
    """Show one more figure of the same models, as chosen."""
    st.header("A closer look")
    name = choice("detail", "Figure", DETAILS, title=lambda name: CATALOGUE[name].titled(shown))
    margin = DEFAULT_MARGIN
    if name and CATALOGUE[name].with_margin:
        picked = choice(
            "margin",
            f"A loss of {shown.measured.title} that is still acceptable (non-inferiority margin)",
            MARGINS,
            default=f"{DEFAULT_MARGIN:g}",
        )
        margin = float(picked or DEFAULT_MARGIN)
    # Of the margin that was picked: what is downloaded must be judged against the same as what is seen.
    tables = tables_of(cohort, margin=margin)
    if name:
        show_figure(name, tables, shown, cohort)
    downloads(DETAILS, tables, shown, cohort)


def show_table(of_metric: MetricTables, choices: Choices, images: str) -> None:
    """Show a table of every training run of the chosen finding.

    Args:
        of_metric: the tables of the chosen metric.
        choices: of the page.
        images: the word for the cohort's images, e.g. "scans".
    """
    utility, title = of_metric.utility, of_metric.metric.title
    value, low, high = of_metric.metric.columns
    rows = utility[(utility["unit"] == choices.unit) & (utility["finding"] == choices.finding)].sort_values(
        ["recipe", "epsilon", "seed"], na_position="first"
    )
    table = pd.DataFrame(
        {
            "Recipe": rows["recipe"],
            "ε, target": [f"{e:g}" if pd.notna(e) else "no privacy" for e in rows["epsilon"]],
            "ε, spent": rows["epsilon_spent"],
            "δ": [delta_text(d) if pd.notna(d) else "" for d in rows["delta"]],
            "Unit": rows["unit"],
            "Accountant": rows["accountant"].fillna(""),
            "Training run": rows["seed"] + 1,
            title: rows[value],
            "95 % from": rows[low],
            "to": rows[high],
            images.capitalize(): rows["n_cases"],
            "Positive labels": rows["n_positive"],
            "Patients": rows["n_patients"],
            "Not estimable because": rows["reason"],
        }
    )
    three = {name: st.column_config.NumberColumn(format="%.3f") for name in (title, "95 % from", "to", "ε, spent")}
    with st.expander(f"Table: {plain(finding_title(choices.finding or ''))}, {counted(len(table), 'training run', 'training runs')}"):
        st.dataframe(table, hide_index=True, column_config=three)


def train_between(cohort: Cohort, choices: Choices) -> None:
    """Show a control that trains one more budget, with the cumulative privacy loss before and after.

    On a synthetic cohort of quick models also a slider that trains at once: it holds no patient whose privacy a run would spend.
    """
    if cohort.synthetic and can_train_inline(installation(), cohort, planned_at(cohort, choices, DRAG_EPSILONS[0], 1)):
        drag(cohort, choices)
    with st.container(border=True):
        number, seeds = st.columns([2, 1], vertical_alignment="bottom")
        epsilon = number.number_input("Train another ε", 0.01, 1000.0, 4.0, step=0.5, format="%g", key="another-epsilon")
        n_seeds = seeds.number_input("Training runs", 1, 20, 3, key="another-n-runs")
        new = [s for s in planned_at(cohort, choices, epsilon, int(n_seeds)) if installation().runs.run_id(s) not in known_runs(cohort)]
        private = [spec for spec in new if spec.privacy]
        now, then = total_of(cohort), total_of(cohort, tuple(private))
        st.markdown(f"**So far:** {plain(total_sentence(now))}")
        st.markdown(
            f"**With these {len(private)} private models:** {plain(total_sentence(then))}"
            if private
            else "Models of this ε are already queued or trained."
        )
        if st.button(f"Train {len(new)} models", icon=":material/play_arrow:", disabled=not new):
            train_all(cohort, new)


def drag(cohort: Cohort, choices: Choices) -> None:
    """Show a slider that trains wherever it stops; for synthetic cohorts."""

    def train_here() -> None:
        train_inline(installation(), cohort, planned_at(cohort, choices, float(st.session_state["drag"]), DRAG_RUNS))
        gesture("epsilon", st.session_state["drag"])

    st.select_slider(
        "Drag to any ε: models are trained where you stop",
        [f"{epsilon:g}" for epsilon in DRAG_EPSILONS],
        f"{DEFAULT_EPSILON:g}",
        key="drag",
        on_change=train_here,
        help="Only on synthetic cohorts: every stop trains models, which would spend privacy budget of real patients.",
    )


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


def known_runs(cohort: Cohort) -> set[str]:
    """The run_ids that are queued or trained; a withdrawn run can be queued again."""
    return {s.run_id for s in runs_of(cohort) if s.state != RunState.WITHDRAWN} | {run.run_id for run in unreadable_of(cohort) if run.spec}


def train_all(cohort: Cohort, specs: list[RunSpec]) -> None:
    """Train in this process what takes a moment; leave the rest to the engine."""
    if can_train_inline(installation(), cohort, specs):
        train_inline(installation(), cohort, specs)
    else:
        installation().ledger.ask(cohort, specs)
        ensure_engine(installation().settings)
    st.rerun()


st.title("Privacy and utility")
selected = current_choices()
if (chosen := chosen_cohort()) is not None and selected.finding and selected.recipe and selected.unit:
    if selected.start:
        st.caption(f"Models begin at public start {plain(selected.start)}.")
    show_results(chosen, selected, choose_metric())
    train_between(chosen, selected)
