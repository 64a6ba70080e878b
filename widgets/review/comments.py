"""Comments on the whole, a figure, a group or a case, and the form for one."""

from collections.abc import Mapping

import streamlit as st

from dpmed_core.cohort.display_names import attribute_title, finding_title, subgroup_title
from dpmed_core.cohort.schema import Cohort
from dpmed_core.errors import CohortError, ReviewError
from dpmed_core.foreign_text import plain
from dpmed_core.reporting.catalogue import CATALOGUE
from dpmed_core.reporting.choice import Choice
from dpmed_core.review.acts import comment
from dpmed_core.review.records import COMMENT, About, Author, Kind, Record
from dpmed_core.review.store import Review
from widgets.address.session import stated
from widgets.cached import links_of
from widgets.lookup import installation
from widgets.review.read import groups_shown
from widgets.review.sending import key_of, send_button, show_refusal, typed, words
from widgets.review.words import by_and_when, show_words

FORM = "comment"
KINDS = {Kind.WHOLE: "The whole", Kind.FIGURE: "A figure", Kind.GROUP: "A group", Kind.CASE: "A case"}


def show_comments(review: Review, *, can_write: bool) -> None:
    """All comments, newest last, and the form for another one."""
    found = review.of_kind(COMMENT)
    if not found:
        st.caption("No comment yet.")
    cohort = _cohort(review) if any(record.body["about"]["kind"] == Kind.CASE for record in found) else None
    for record in found:
        _show_comment(review, record, cohort)
    if can_write:
        _show_form(review)


def _show_comment(review: Review, record: Record, cohort: Cohort | None) -> None:
    """One comment: by whom, on what, the words."""
    with st.container(border=True):
        st.caption(plain(f"{by_and_when(record)}, on {about_in_words(review, record.body['about'], cohort)}"))
        text = record.words if "words" in record.body else str(record.body["text"])
        if text is None:
            st.caption("Its words were removed with the cohort.")
        else:
            show_words(text)


def about_in_words(review: Review, about: Mapping[str, str], cohort: Cohort | None) -> str:
    """What a comment is about, as text; a case by its link, which is valid here alone."""
    name, of_finding = about["name"], f", {finding_title(about['finding']).lower()}" if about["finding"] else ""
    kind = Kind(about["kind"])
    if kind is Kind.FIGURE:
        return f"figure “{_figure_title(name)}”{of_finding}"
    if kind is Kind.GROUP:
        group = groups_shown(review).get(name)
        return f"group “{_group_title(*group) if group else name}”{of_finding}"
    if kind is Kind.CASE:
        link = links_of(cohort).of_case.get(name) if cohort else None
        return f"case {link or 'that is not here any more'}{of_finding}"
    return f"the whole{of_finding}"


def _show_form(review: Review) -> None:
    """What to comment on, chosen outside the form because one choice depends on another, and the words."""
    place = st.container()
    columns = st.columns(3)
    kind = columns[0].selectbox("Comment on", list(KINDS), format_func=KINDS.__getitem__, key=key_of(review, FORM, "-kind"))
    key = key_of(review, FORM, f"-{kind.value}")
    with columns[1]:
        if kind is Kind.FIGURE:
            st.selectbox("Which figure", list(CATALOGUE), format_func=_figure_title, key=key)
        elif kind is Kind.GROUP:
            groups = groups_shown(review)
            st.selectbox("Which group", list(groups), format_func=lambda name: _group_title(*groups[name]), key=key)
        elif kind is Kind.CASE:
            st.session_state.setdefault(key, stated("case") or "")
            st.text_input("Which case", key=key, help="What stands behind `case=` in the address of the page *Cases*.")
    findings = ["", *review.frozen["cohort"]["findings"]]
    columns[2].selectbox("Finding", findings, format_func=lambda name: finding_title(name) or "All", key=key_of(review, FORM, "-finding"))
    with place:
        show_refusal(review, FORM)
    with st.form(key_of(review, FORM)):
        words(review, FORM, "Comment")
        send_button(review, FORM, "Comment", _comment)


def _comment(now: Review, author: Author, seen: int) -> None:
    """Record the comment that is typed."""
    kind = Kind(st.session_state.get(key_of(now, FORM, "-kind"), Kind.WHOLE))
    name, finding = typed(now, FORM, f"-{kind.value}"), typed(now, FORM, "-finding")
    cohort = _cohort(now) if kind is Kind.CASE else None
    if cohort is not None:
        name = _case_id(cohort, name.strip())
    comment(installation().reviews, now, author, About(kind, name, finding), typed(now, FORM), seen=seen, cohort=cohort)


def _case_id(cohort: Cohort, link: str) -> str:
    """The case that a link names.

    Raises:
        ReviewError: none.
    """
    links = links_of(cohort)
    if (row := links.rows.get(link)) is None:
        raise ReviewError("No case is called so here: copy what stands behind case= in the address of the page Cases.")
    return links.case_ids[row]


def _cohort(review: Review) -> Cohort | None:
    try:
        return installation().cohorts.with_fingerprint(review.frozen["fingerprint"])
    except CohortError:
        return None


def _figure_title(name: str) -> str:
    return CATALOGUE[name].titled(Choice()) if name in CATALOGUE else name


def _group_title(attribute: str, subgroup: str) -> str:
    return f"{attribute_title(attribute)}: {subgroup_title(attribute, subgroup)}"
