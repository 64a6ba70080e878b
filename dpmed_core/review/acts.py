"""What people do in a review: comment, answer, decide, close. Each act names the version of the review that its author saw."""

from collections.abc import Mapping
from typing import Any

from dpmed_core.cohort.schema import Cohort, Part
from dpmed_core.cohort.split import DEFAULT_SPLIT_SEED, assign_parts
from dpmed_core.errors import ReviewError
from dpmed_core.people.roles import Action
from dpmed_core.privacy.ledger.ledger import Ledger
from dpmed_core.reporting.catalogue import CATALOGUE
from dpmed_core.review.changes import changes
from dpmed_core.review.checklist import checklist, n_open
from dpmed_core.review.decision import NONE, QUORUM, decision
from dpmed_core.review.frozen import Candidate, freeze
from dpmed_core.review.frozen_tables import changed_tables, from_fields
from dpmed_core.review.guidance import POINTS
from dpmed_core.review.records import (
    ANSWER,
    CLOSED,
    COMMENT,
    VERDICT,
    About,
    Author,
    Choice,
    Kind,
    Met,
    Record,
    Role,
    checked_length,
    required,
)
from dpmed_core.review.store import Review, ReviewStore
from dpmed_core.review.voices import signed


def open_review(
    store: ReviewStore,
    ledger: Ledger,
    cohort: Cohort,
    candidate: Candidate,
    author: Author,
    *,
    question: str = "",
    quorum: Mapping[Role, int] | None = None,
) -> Review:
    """A new review of `candidate` on `cohort`, with everything frozen that it is about.

    Args:
        store: keeps it.
        ledger: with the runs and cohorts of the installation.
        cohort: whose patients.
        candidate: the private model.
        author: who opens it.
        question: what is to be decided.
        quorum: how many of which role must give a verdict; None for the usual one.

    Raises:
        ReviewError: the candidate, or a reference beside it, was not trained.
    """
    store.actor.admit(Action.OPEN_REVIEWS)
    body = {**signed(author, store.actor).to_fields(), "question": checked_length(question.strip(), "the question")}
    frozen, tables = freeze(ledger, cohort, candidate)
    needed = QUORUM if quorum is None else quorum
    return store.open(frozen, tables, {**body, "quorum": {role.value: number for role, number in needed.items()}})


def comment(store: ReviewStore, review: Review, author: Author, about: About, text: str, *, seen: int, cohort: Cohort | None) -> Record:
    """Record a comment on a figure, a group, a case or the whole.

    Args:
        store: keeps it.
        review: as it was seen.
        author: who comments.
        about: on what.
        text: the words.
        seen: the version of the review that the author saw.
        cohort: the data; needed for a comment on a case alone.

    Raises:
        ReviewError: there is nothing of that name to comment on, or the review is closed.
    """
    words = required(text, "the comment")
    if about.kind is Kind.CASE:
        store.actor.require(Action.SEE_CASES, f"review {review.review_id}")
    _check(store, review, about, cohort)
    body: dict[str, object] = {
        **signed(author, store.actor).to_fields(),
        "about": {"kind": about.kind.value, "name": about.name, "finding": about.finding},
    }
    if about.kind is Kind.CASE:
        return store.append(review.review_id, COMMENT, body, seen=seen, words=words)
    return store.append(review.review_id, COMMENT, {**body, "text": words}, seen=seen)


def answer(store: ReviewStore, review: Review, author: Author, point: str, met: Met, text: str, *, seen: int) -> Record:
    """Record a person's answer to a point of the checklist; arguments as of `comment`.

    Raises:
        ReviewError: there is no such point, the review is closed, or somebody else wrote meanwhile.
    """
    if point not in {one.name for one in POINTS}:
        raise ReviewError(f"The checklist has no point {point[:60]!r}: `review show` names all.")
    body = {**signed(author, store.actor).to_fields(), "point": point, "met": met.value, "text": required(text, "the answer")}
    return store.append(review.review_id, ANSWER, body, seen=seen)


def give_verdict(
    store: ReviewStore, review: Review, author: Author, choice: Choice, reason: str, *, seen: int, conditions: str = ""
) -> Record:
    """Record a verdict; arguments as of `comment`.

    Raises:
        ReviewError: no reason, or no condition of an approval with conditions is given, the person has spoken for another role, or as
            `answer`; verdicts of others that came meanwhile refuse nothing.
    """
    if (choice is Choice.WITH_CONDITIONS) != bool(conditions.strip()):
        raise ReviewError("Conditions belong to “approve with conditions”, and to that verdict alone: give both or neither.")
    said = checked_length(conditions.strip(), "the conditions")
    author = signed(author, store.actor)
    for name, role in (record.author for record in review.of_kind(VERDICT)):
        if name == author.name.strip() and role != author.role.value:
            raise ReviewError(f"{name[:60]} has given a verdict as {role}: one person speaks for one role.")
    body = {**signed(author, store.actor).to_fields(), "choice": choice.value, "reason": required(reason, "the reason"), "conditions": said}
    return store.append(review.review_id, VERDICT, body, seen=seen)


def close(store: ReviewStore, ledger: Ledger, review: Review, author: Author, text: str, *, seen: int, undecided: bool = False) -> Record:
    """Close a review for good, with its outcome and with what is different now from what was reviewed.

    Args:
        store: keeps it.
        ledger: with the runs and cohorts of the installation.
        review: as it was seen.
        author: who closes it.
        text: the words; may be blank where it is decided.
        seen: the version of the review that the author saw.
        undecided: close it without a decision.

    Raises:
        ReviewError: a role has not spoken yet, the review is closed, or somebody else wrote meanwhile.
    """
    found = decision(review)
    if found.outcome == NONE and not undecided:
        raise ReviewError(f"The review cannot be closed with a decision: verdicts are missing ({found.missing_in_words()}).")
    tables = store.tables(review.review_id)
    changed = changed_tables(review.frozen, tables)
    if undecided:
        required(text, "why nothing is decided")
    body = {
        **signed(author, store.actor).to_fields(),
        "outcome": NONE if undecided else found.outcome,
        "conditions": [] if undecided else list(found.conditions),
        "verdicts": [record.seq for record in found.verdicts],
        "open_points": n_open(checklist(review, None if changed else tables)),
        "changed_tables": changed,
        "changes": changes(ledger, review.frozen),
        "text": checked_length(text.strip(), "the text"),
    }
    return store.append(review.review_id, CLOSED, body, seen=seen)


def groups_of(tables: Mapping[str, Any]) -> Mapping[str, tuple[str, str]]:
    """The groups that the frozen tables show, as a comment names them, `ATTRIBUTE=GROUP`, with attribute and group of each."""
    table = from_fields(tables["groups"])
    of_groups = table[table["attribute"] != "all"][["attribute", "subgroup"]].drop_duplicates()
    return {f"{attribute}={group}": (attribute, group) for attribute, group in of_groups.itertuples(index=False, name=None)}


def _check(store: ReviewStore, review: Review, about: About, cohort: Cohort | None) -> None:
    """Refuse a comment on something that is not there.

    Raises:
        ReviewError: names what is.
    """
    findings = review.frozen["cohort"]["findings"]
    if about.finding and about.finding not in findings:
        raise ReviewError(f"The reviewed cohort has no finding {about.finding[:60]!r}: choose from {', '.join(findings)}.")
    if about.kind is Kind.FIGURE and about.name not in CATALOGUE:
        raise ReviewError(f"There is no figure {about.name[:60]!r}: choose from {', '.join(CATALOGUE)}.")
    if about.kind is Kind.GROUP and about.name not in (groups := groups_of(store.tables(review.review_id))):
        raise ReviewError(f"The reviewed tables show no group {about.name[:60]!r}: choose from {', '.join(groups) or 'none'}.")
    if about.kind is Kind.CASE and not _is_held_out(store, review, about.name, cohort):
        raise ReviewError("The reviewed cohort has no held-out case of that case_id: the file of scores that `runs show` names has them.")
    if about.kind is Kind.WHOLE and about.name:
        raise ReviewError("A comment on the whole names nothing further.")


def _is_held_out(store: ReviewStore, review: Review, case_id: str, cohort: Cohort | None) -> bool:
    """Whether a case of the reviewed data is one of validation or test: no guarantee allows looking at others."""
    if cohort is None or cohort.fingerprint != review.frozen["fingerprint"]:
        return False
    split = assign_parts(cohort, seed=DEFAULT_SPLIT_SEED, key=store.key)
    held_out = cohort.cases["case_id"].astype(str)[split.parts != Part.TRAIN.value]
    return case_id in set(held_out)
