"""Privacy and utility: a metric against epsilon over trained models, and what privacy costs."""

from pathlib import Path

import pandas as pd
import streamlit as st

from dpmed_core.cohort.display_names import IMAGE_WORDS, finding_title
from dpmed_core.cohort.schema import Cohort
from dpmed_core.evaluation.metrics.auroc import AUROC
from dpmed_core.evaluation.tables.all_tables import EvaluationTables, MetricTables
from dpmed_core.evaluation.tables.cost_of_privacy import DEFAULT_MARGIN
from dpmed_core.foreign_text import plain
from dpmed_core.imaging.modality import Modality
from dpmed_core.phrases import counted, delta_text
from dpmed_core.reporting.catalogue import CATALOGUE, Page, figures_of
from dpmed_core.reporting.choice import Choice
from dpmed_core.reporting.wording.training_state import training_sentence
from dpmed_core.reporting.wording.utility import REFERENCE
from widgets.analysis_plan import plans_of
from widgets.budget import choose_epsilon, deltas_of, show_guarantee, show_left_out, trained_budgets
from widgets.budget_control.following import show_following
from widgets.choices import Choices, choice, current_choices
from widgets.cohort import chosen_cohort, has_choices
from widgets.figure import choose_metric, downloads, show_figure, show_moving_figure
from widgets.headings import HEADINGS
from widgets.lookup import installation, live, runs_of
from widgets.none_finished import show_none_finished
from widgets.practice import show_practice
from widgets.random_splits import show_random_splits
from widgets.sentences import utility_lines
from widgets.tables import tables_of
from widgets.training_offer import TrainingOffer, offer_typed

MARGINS = ("0.005", "0.01", "0.02", "0.03", "0.05", "0.1")
MAIN, *DETAILS = figures_of(Page.PRIVACY_UTILITY)


def show_results(cohort: Cohort, choices: Choices) -> None:
    """Show budget, sentence, figures and table, and renew them while models are trained."""

    def part() -> None:
        """Everything that depends on the runs, drawn again by `live`."""
        tables = tables_of(cohort)
        of_choice = Choice(recipe=choices.recipe, unit=choices.unit).rows(tables.runs)
        trained = trained_budgets(of_choice)
        if tables.is_empty:
            show_left_out(tables)
            st.caption(plain(training_sentence(status.state for status in runs_of(cohort))))
            show_none_finished(cohort, "The first points appear here by themselves.")
            return
        offer = TrainingOffer(cohort, choices)
        epsilon = choose_epsilon(trained, deltas=deltas_of(of_choice), unit=choices.unit, offer=offer)
        metric = choose_metric()
        show_left_out(tables)
        st.caption(plain(training_sentence(status.state for status in runs_of(cohort))))
        shown = Choice(
            finding=choices.finding,
            recipe=choices.recipe,
            unit=choices.unit,
            epsilon=epsilon,
            metric=metric,
            published=published_behind(cohort, metric),
        )
        of_metric = tables.of(shown.measured)
        if epsilon is None:
            show_figure(MAIN, tables, shown, cohort)
        else:
            show_moving_figure(MAIN, tables, shown, cohort, sentences=show_sentences(tables, shown, trained))
            show_guarantee(list(of_choice.loc[of_choice["epsilon"] == epsilon, "run_id"]), also=REFERENCE)
        downloads([MAIN], tables, shown, cohort)
        show_table(of_metric, choices, IMAGE_WORDS[cohort.modality].several)
        if epsilon is not None:
            show_practice(tables, shown, IMAGE_WORDS[cohort.modality].several)
            show_random_splits(cohort, choices, plans_of(cohort).plan.margin)
            show_detail(cohort, shown)

    live(cohort, part)


def show_sentences(tables: EvaluationTables, shown: Choice, trained: list[float]) -> dict[float, str]:
    """Show what privacy costs at the budget of the axis, and give the sentence of each trained budget back."""
    said = utility_lines(tables, shown, trained)
    show_following(said, at=float(shown.epsilon or 0), key="sentences")
    return {epsilon: lines[0].text for epsilon, lines in said.items()}


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
    runs = counted(len(table), "training run", "training runs")
    place = st.expander(f"Table: {plain(finding_title(choices.finding or ''))}, {runs}", key="runs-open", on_change="rerun")
    if place.open:
        three = {name: st.column_config.NumberColumn(format="%.3f") for name in (title, "95 % from", "to", "ε, spent")}
        place.dataframe(table, hide_index=True, column_config=three)


st.title(HEADINGS["privacy_utility"])
selected = current_choices()
if (chosen := chosen_cohort()) is not None and has_choices(selected):
    if selected.start:
        st.caption(f"Models begin at public start {plain(selected.start)}.")
    show_results(chosen, selected)
    offer_typed(chosen, selected)
