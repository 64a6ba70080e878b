"""The report of a review to download, drafts of its model's cards, and the comparison with another review."""

from functools import partial

import streamlit as st

from dpmed_core.decision_report.beside import Asked, case_numbers, is_measured
from dpmed_core.decision_report.compared import compared
from dpmed_core.decision_report.gathered import of_review
from dpmed_core.decision_report.page import report_html
from dpmed_core.decision_report.paper import report_pdf
from dpmed_core.foreign_text import plain
from dpmed_core.installation import Installation
from dpmed_core.people.roles import Action
from dpmed_core.release_cards.facts import facts_of
from dpmed_core.release_cards.handed_out import card_files, zipped
from dpmed_core.release_cards.statements import Statements
from dpmed_core.reporting.static_images import browser
from dpmed_core.review.frozen import CANDIDATE, run_ids
from dpmed_core.review.store import Review
from widgets.choices import choice
from widgets.copied_text import show_copied_text
from widgets.lookup import asked_for_later, installation
from widgets.people.sign_on import may
from widgets.review.numbers import show_table
from widgets.review.read import gathered_of, readable, title_of
from widgets.review.words import ROW_HEIGHT

NO_PAPER = "A PDF needs Chrome or Chromium on this machine, and none was found: install one, name it in BROWSER_PATH, or take the HTML."
AGAINST, NOTHING = "against", "none"


def show_downloads(review: Review) -> None:
    """The report as HTML and PDF, each made when it is clicked."""
    genuine, has_browser = gathered_of(review) is not None, browser() is not None
    with st.popover("Report", icon=":material/download:", width="stretch"):
        asked = _choose_beside(review)
        for label, suffix, mime, is_there in (("HTML", "html", "text/html", True), ("PDF", "pdf", "application/pdf", has_browser)):
            st.download_button(
                f"Report as {plain(label)}",
                asked_for_later(
                    partial(_report, review.review_id, suffix, asked), Action.SEE_RESULTS, f"report of review {review.review_id}"
                ),
                _file_name(review, suffix),
                mime,
                key=f"review-report-{suffix}",
                on_click="ignore",
                disabled=not (genuine and is_there),
            )
        if not genuine:
            st.caption("No report is made of a review that is not genuine.")
        elif not has_browser:
            st.caption(NO_PAPER)
        st.caption("A report that leaves the house is recorded as a release first: it shows models without privacy.")
        command = f"ledger release --figure {_file_name(review, 'html')} --cohort NAME --without-guarantee --name NAME --reason TEXT"
        show_copied_text(f"python -m dpmed_core {command}", label="Command that records a release")
        if genuine:
            _show_cards(review)


def _show_cards(review: Review) -> None:
    """Drafts of the cards of one of the candidate's models, made when they are clicked."""
    run_id = st.selectbox("Model", run_ids(review.frozen, CANDIDATE), key="review-cards-run")
    st.download_button(
        "Drafts of the model's cards",
        asked_for_later(partial(_cards, review.review_id, str(run_id)), Action.SEE_RESULTS, f"cards of run {run_id}"),
        f"cards-{run_id}.zip",
        "application/zip",
        key="review-cards",
        on_click="ignore",
    )
    st.caption(
        "For the Hub, for health systems, for the registry of private deployments. A release (*Train*) makes them final, with its seal."
    )


def _file_name(review: Review, suffix: str) -> str:
    return f"review-{review.review_id}.{suffix}"


def _choose_beside(review: Review) -> Asked:
    """What the report is to hold beside what was frozen; each is offered only where it is there and may be shown."""
    protection = cases = False
    if is_measured(installation(), review.frozen):
        protection = st.checkbox("With measured protection, in aggregates; no guarantee covers it", key="review-with-protection")
    if case_numbers(review) and may(Action.SEE_CASES):
        cases = st.checkbox("With labels and scores of the commented cases, numbered; no guarantee covers them", key="review-with-cases")
    return Asked(protection=protection, cases=cases)


def _report(review_id: str, suffix: str, asked: Asked, here: Installation) -> bytes:
    page = report_html(of_review(here, review_id, asked), still=suffix == "pdf")
    return report_pdf(page) if suffix == "pdf" else page.encode()


def _cards(review_id: str, run_id: str, here: Installation) -> bytes:
    return zipped(card_files(facts_of(here, run_id, Statements(), review_id)))


def show_comparison(review: Review, names: list[str]) -> None:
    """What differs between this review and another one."""
    others = [name for name in names if name != review.review_id]
    if not others:
        st.caption("There is no other review yet.")
        return
    other = choice(AGAINST, "Compare with", [NOTHING, *others], title=lambda name: "Nothing" if name == NOTHING else title_of(name))
    if other is None or other == NOTHING:
        return
    found = readable(other)
    first, second = gathered_of(review), None if found is None else gathered_of(found)
    if first is None or second is None:
        st.info("One of the two is not genuine: nothing is compared.")
        return
    show_table(compared(first, second, ("This review", "The other")), row_height=ROW_HEIGHT)
