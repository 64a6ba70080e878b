"""What stands beside the map: what was spent on these patients, how protected they were measured to be, and what all numbers rest on."""

import streamlit as st

from dpmed_core.cohort.schema import Cohort
from dpmed_core.evaluation.tables.all_tables import EvaluationTables
from dpmed_core.foreign_text import plain
from dpmed_core.phrases import delta_text
from dpmed_core.privacy.exposure.sentences import aggregate_sentence
from dpmed_core.reporting.choice import Choice
from dpmed_core.reporting.wording.training_state import training_sentence
from widgets.analysis_plan import plans_of
from widgets.budget import deltas_of, guarantee_in_full
from widgets.budget_control.first_words import Line
from widgets.budget_control.following import show_following
from widgets.choices import Choices
from widgets.cohort import show_synthetic
from widgets.lookup import runs_of
from widgets.meeting.map import explained
from widgets.meeting.view import KEYS
from widgets.overview.facts import cohort_line
from widgets.overview.figures import WHAT
from widgets.overview.glance import protected_line, rests_on, runs_at
from widgets.overview.tiles import Shown
from widgets.protection.exposure import exposed
from widgets.spending import total_in_words


def show_spending(cohort: Cohort) -> None:
    """What was spent on these patients, in one line; the whole sentence beside it."""
    in_short, in_full = total_in_words(cohort)
    st.markdown(f"**Spent on these patients:** {plain(in_short)}.", help=plain(in_full))


def show_measured(cohort: Cohort, tables: EvaluationTables, shown: Shown, choices: Choices) -> None:
    """How exposed the training patients were measured to be, in aggregates, at each trained budget; or why that is not known."""
    known, deltas = exposed(cohort, choices), _deltas(tables, shown)
    said = {}
    for epsilon in shown.trained:
        row = known.found.row(shown.unit, epsilon, deltas[epsilon]) if known.found else None
        sentence = aggregate_sentence(row) if row else known.why_not or "Not measured at this budget yet."
        said[epsilon] = [Line(f"Measured protection: {sentence[:1].lower()}{sentence[1:]}")]
    show_following(said, at=shown.epsilon, key="meeting-measured")


def show_heading(cohort: Cohort, tables: EvaluationTables, shown: Shown) -> None:
    """The budget with its δ and unit, in large letters, for a room that sees no axis."""
    deltas, whose = _deltas(tables, shown), f"Cohort {cohort.name}: {cohort_line(cohort)}"
    said = {
        at: [Line(f"ε = {at:g} at δ = {delta_text(deltas[at]) if at else 0} for each {shown.unit}. {whose}", "headline")]
        for at in shown.trained
    }
    show_following(said, at=shown.epsilon, key="meeting-heading")


def show_for_a_room(cohort: Cohort, tables: EvaluationTables, shown: Shown, choices: Choices) -> None:
    """Under the map of a presenter: who is protected, what was spent and measured, whether the verdicts were planned, and the keys."""
    still = training_sentence(status.state for status in runs_of(cohort))
    with st.container(key="meeting-room"):
        st.markdown(plain(protected_line(tables, shown)))
        show_measured(cohort, tables, shown, choices)
        st.markdown(f"**Spent on these patients:** {plain(total_in_words(cohort)[0])}. {plain(still)}")
        st.markdown(f"{WHAT}. Bold: its own interval beyond 0. {plain(plans_of(cohort).sentence())} {KEYS}")


def show_limits(cohort: Cohort, tables: EvaluationTables, shown: Shown) -> None:
    """All that numbers, verdicts, guarantee and spending rest on, in full, for a room."""
    said = guarantee_in_full(runs_at(tables, shown))
    guarantee = [said.sentence, *said.beside, said.worth] if said else []
    for sentence in [explained(tables, shown), *guarantee, protected_line(tables, shown), total_in_words(cohort)[1], *rests_on(cohort)]:
        if sentence:
            st.markdown(plain(sentence))
    show_synthetic(cohort)
    st.caption(plain(KEYS))


def _deltas(tables: EvaluationTables, shown: Shown) -> dict[float, float]:
    return deltas_of(Choice(recipe=shown.recipe, unit=shown.unit).rows(tables.runs))
