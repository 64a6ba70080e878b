"""All reviews, and the form that opens one of the cohort in the sidebar."""

from collections.abc import Sequence
from functools import partial

import pandas as pd
import streamlit as st

from dpmed_core.cohort.schema import Cohort
from dpmed_core.errors import DpmedError
from dpmed_core.foreign_text import LONGEST_SENTENCE, plain, plain_line
from dpmed_core.people.roles import Action
from dpmed_core.phrases import counted
from dpmed_core.reporting.choice import Choice
from dpmed_core.review.acts import open_review
from dpmed_core.review.decision import QUORUM, outcome_of, parse_quorum
from dpmed_core.review.frozen import Candidate
from dpmed_core.review.records import LONGEST_TEXT, Author, Role
from dpmed_core.review.store import Review
from widgets.address.session import gesture
from widgets.budget import choose_epsilon, deltas_of, show_guarantee, show_left_out, trained_budgets
from widgets.choices import Choices, chosen_delta
from widgets.lookup import guarded, installation
from widgets.people.sign_on import may
from widgets.review.read import n_open_points, readable, utc
from widgets.review.sending import show_you, you
from widgets.review.words import ROW_HEIGHT, SHORT
from widgets.tables import tables_of

REVIEW, ALL, TABLE = "review", "all", "review-list"
OPEN, NOT_GENUINE = "open", "not genuine"
EVERY_SECONDS = 5.0
MOST_VERDICTS = 20


@st.fragment(run_every=EVERY_SECONDS)
@guarded
def show_reviews() -> None:
    """All reviews in a table, open ones first and then the newest; a selected line opens its review."""
    lines = lines_of_reviews()
    st.markdown(plain(reviews_sentence(lines)))
    if not lines:
        return
    ids = [name for name, _ in lines]
    st.dataframe(
        pd.DataFrame([line for _, line in lines]),
        hide_index=True,
        key=TABLE,
        selection_mode="single-row",
        on_select=partial(_open_selected, ids),
        row_height=ROW_HEIGHT,
        column_config={"Question": st.column_config.TextColumn(width="medium"), "Guarantee": st.column_config.TextColumn(width="medium")},
    )
    st.caption("Select a line to open its review.")


def lines_of_reviews() -> list[tuple[str, dict[str, object]]]:
    """Each review's name and its line of the table, open ones first and then the newest."""
    return sorted(((name, _line(readable(name))) for name in installation().reviews.names()), key=lambda line: line[1]["State"] != OPEN)


def reviews_sentence(lines: Sequence[tuple[str, dict[str, object]]]) -> str:
    """How many reviews there are, and how many of them are open."""
    if not lines:
        return "No review yet: open the first one below."
    n_open = sum(line["State"] == OPEN for _, line in lines)
    return f"{counted(len(lines), 'review', 'reviews')}, {n_open:,} of them open."


def _line(review: Review | None) -> dict[str, object]:
    """A review as a line of the table; of one that cannot be shown, that it is not genuine."""
    if review is None:
        return {"State": NOT_GENUINE}
    candidate = review.frozen["candidate"]
    state = NOT_GENUINE if review.broken_at is not None else "closed" if review.closed else OPEN
    return {
        "State": state,
        "Outcome": outcome_of(review),
        "Open points": n_open_points(review),
        "Cohort": review.frozen["cohort"]["name"],
        "Question": plain_line(str(review.records[0].body["question"]), most=SHORT),
        "Guarantee": f"recipe {candidate['recipe']}, {candidate['guarantee']}",
        "Opened": utc(review.records[0].at),
    }


def _open_selected(ids: Sequence[str]) -> None:
    """Open the review of the line that was selected."""
    if rows := (st.session_state.get(TABLE) or {}).get("selection", {}).get("rows", []):
        gesture(REVIEW, ids[rows[0]])


def offer_review(cohort: Cohort, choices: Choices) -> None:
    """Open a review of the model at the axis' budget, by the recipe and unit of the sidebar."""
    if not may(Action.OPEN_REVIEWS):
        return
    st.header("Open a review")
    tables = tables_of(cohort)
    show_left_out(tables)
    runs = Choice(recipe=choices.recipe, unit=choices.unit).rows(tables.runs)
    trained = trained_budgets(runs)
    epsilon = choose_epsilon(trained, deltas=deltas_of(runs), unit=choices.unit)
    if epsilon is None or choices.unit is None:
        return
    show_guarantee(list(runs.loc[runs["epsilon"] == epsilon, "run_id"]))
    show_you()
    with st.form("open-review"):
        question = st.text_area("What is to be decided?", max_chars=LONGEST_TEXT, height=100, key="review-question")
        with st.expander("Verdicts that it needs, by role"):
            columns = st.columns(4)
            needed = {role: _needed(columns[place % 4], role) for place, role in enumerate(Role)}
        asked = st.form_submit_button("Open the review", icon=":material/gavel:")
    if asked:
        candidate = Candidate(epsilon, choices.recipe, choices.unit, chosen_delta(), choices.start)
        _open(cohort, candidate, question, needed)


def _needed(column: "st.delta_generator.DeltaGenerator", role: Role) -> int:
    label = role.value[:1].upper() + role.value[1:]
    return int(column.number_input(plain(label), 0, MOST_VERDICTS, QUORUM.get(role, 0), key=f"review-quorum-{role.value}"))


def _open(cohort: Cohort, candidate: Candidate, question: str, needed: dict[Role, int]) -> None:
    """Freeze what is reviewed, and show the review."""
    here = installation()
    try:
        author: Author = you()
        quorum = parse_quorum(",".join(f"{role.value}:{number}" for role, number in needed.items() if number))
        with st.spinner("What is reviewed is frozen"):
            review = open_review(here.reviews, here.ledger, cohort, candidate, author, question=question, quorum=quorum)
    except DpmedError as error:
        st.error(plain(str(error), most=LONGEST_SENTENCE), icon=":material/error:")
        return
    gesture(REVIEW, review.review_id)
    st.rerun()
