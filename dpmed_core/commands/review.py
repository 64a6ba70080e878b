"""`review`: what a meeting looked at, what it said of it, and what it decided."""

import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from dpmed_core.commands.output import json_option, say
from dpmed_core.decision_report.compared import compared
from dpmed_core.decision_report.gathered import of_review
from dpmed_core.errors import CohortError
from dpmed_core.foreign_text import plain_line
from dpmed_core.installation import Installation
from dpmed_core.phrases import counted
from dpmed_core.review.acts import answer, close, comment, give_verdict, open_review
from dpmed_core.review.changes import changes
from dpmed_core.review.checklist import Answered, checklist, n_open
from dpmed_core.review.decision import decision, outcome_of, parse_quorum
from dpmed_core.review.frozen import Candidate
from dpmed_core.review.frozen_tables import changed_tables
from dpmed_core.review.guidance import SOURCES
from dpmed_core.review.records import About, Author, Choice, Kind, Met, Record, Role
from dpmed_core.review.store import Review
from dpmed_core.training.spec import PrivacyUnit

Command = TypeVar("Command", bound=Callable[..., Any])


@click.group()
def review() -> None:
    """Reviews: freeze what is looked at, comment, answer the checklist, give verdicts, close."""


def by_someone(command: Command) -> Command:
    """The options that say who writes, and which version of the review they saw."""
    seen = click.option("--seen", type=click.IntRange(0), help="The version that you saw (`show`). Default: the one that is there now.")
    role = click.option("--role", required=True, type=click.Choice([role.value for role in Role]), help="For whom you speak.")
    name = click.option("--name", required=True, help="A name or pseudonym.")
    return name(role(seen(command)))


@review.command("open")
@click.option("--cohort", "cohort_name", required=True)
@click.option("--epsilon", required=True, type=float, help="A trained budget.")
@click.option("--recipe", help="Default: that of the analysis plan, or the only one that was trained.")
@click.option("--unit", type=click.Choice([u.value for u in PrivacyUnit]), default=PrivacyUnit.PATIENT.value, show_default=True)
@click.option("--delta", type=float, help="Where the budget was trained at several. Default: the smallest.")
@click.option("--start", help="Of the runs that begin at this public start. Default: of those from scratch.")
@click.option("--question", default="", help="What is to be decided.")
@click.option("--quorum", help="Roles that must give a verdict, such as clinician:2,IT. Default: clinician,researcher,privacy officer,IT.")
@click.option("--name", default="", help="Who opens it.")
@click.option("--role", type=click.Choice([role.value for role in Role]), default=Role.RESEARCHER.value, show_default=True)
@json_option
def open_command(
    cohort_name: str,
    epsilon: float,
    recipe: str | None,
    unit: str,
    delta: float | None,
    start: str | None,
    question: str,
    quorum: str | None,
    name: str,
    role: str,
    as_json: bool,
) -> None:
    """Open a review of one private model and its reference: runs, tables, plan, ledger and version are frozen as they are now."""
    here = Installation.open()
    cohort = here.cohorts.load(cohort_name)
    candidate = Candidate(epsilon, recipe, PrivacyUnit(unit), delta, start)
    author = Author(name or "local user", Role(role))
    needed = None if quorum is None else parse_quorum(quorum)
    found = open_review(here.reviews, here.ledger, cohort, candidate, author, question=question, quorum=needed)
    _say(here, found, as_json=as_json)


@review.command("list")
@json_option
def list_command(as_json: bool) -> None:
    """All reviews, newest first."""
    here = Installation.open()
    found = [here.reviews.review(review_id) for review_id in here.reviews.names()]
    documents = [_summary(one) for one in found]
    lines = [_line(one) for one in documents]
    say({"reviews": documents}, "\n".join(lines) or "There is no review yet: open one with `review open`.", as_json=as_json)


def _line(one: Mapping[str, object]) -> str:
    state = "closed" if one["closed"] else f"open, version {one['version']}"
    return f"{one['review_id']}  {one['cohort']}, {one['guarantee']}: {one['outcome']} ({state})"


@review.command("show")
@click.argument("review_id")
@click.option("--tables", "with_tables", is_flag=True, help="With --json: the frozen rows of all tables too.")
@json_option
def show_command(review_id: str, with_tables: bool, as_json: bool) -> None:
    """What is reviewed, what was said, what is open, and what is different now."""
    here = Installation.open()
    _say(here, here.reviews.review(review_id), as_json=as_json, with_tables=with_tables)


@review.command("comment")
@click.argument("review_id")
@click.option("--text", required=True)
@click.option("--figure", help="On a figure, by its name in `export`.")
@click.option("--group", help="On a group, as ATTRIBUTE=GROUP.")
@click.option("--case", "case_id", help="On a held-out case, by its case_id.")
@click.option("--finding", default="", help="Of this finding alone.")
@by_someone
@json_option
def comment_command(
    review_id: str,
    text: str,
    figure: str | None,
    group: str | None,
    case_id: str | None,
    finding: str,
    name: str,
    role: str,
    seen: int | None,
    as_json: bool,
) -> None:
    """Comment on a figure, a group, a case, or the whole."""
    named = [(kind, value) for kind, value in ((Kind.FIGURE, figure), (Kind.GROUP, group), (Kind.CASE, case_id)) if value is not None]
    if len(named) > 1:
        raise click.UsageError("A comment is on one thing: give one of --figure, --group and --case, or none for the whole.")
    kind, value = named[0] if named else (Kind.WHOLE, "")
    here = Installation.open()
    found = here.reviews.review(review_id)
    cohort = None
    if kind is Kind.CASE:
        try:
            cohort = here.cohorts.with_fingerprint(found.frozen["fingerprint"])
        except CohortError:
            cohort = None
    done = comment(here.reviews, found, Author(name, Role(role)), About(kind, value, finding), text, seen=_seen(found, seen), cohort=cohort)
    _say_done(done, as_json=as_json)


@review.command("answer")
@click.argument("review_id")
@click.argument("point")
@click.option("--met", required=True, type=click.Choice([met.value for met in Met]))
@click.option("--text", required=True)
@by_someone
@json_option
def answer_command(review_id: str, point: str, met: str, text: str, name: str, role: str, seen: int | None, as_json: bool) -> None:
    """Answer a POINT of the checklist."""
    here = Installation.open()
    found = here.reviews.review(review_id)
    done = answer(here.reviews, found, Author(name, Role(role)), point, Met(met), text, seen=_seen(found, seen))
    _say_done(done, as_json=as_json)


@review.command("verdict")
@click.argument("review_id")
@click.option("--verdict", "choice", required=True, type=click.Choice([choice.value for choice in Choice]))
@click.option("--reason", required=True)
@click.option("--conditions", default="", help="What must be so before it may be used.")
@by_someone
@json_option
def verdict_command(
    review_id: str, choice: str, reason: str, conditions: str, name: str, role: str, seen: int | None, as_json: bool
) -> None:
    """Give a verdict; one person speaks for one role, and their last verdict counts."""
    here = Installation.open()
    found = here.reviews.review(review_id)
    author, version = Author(name, Role(role)), _seen(found, seen)
    done = give_verdict(here.reviews, found, author, Choice(choice), reason, seen=version, conditions=conditions)
    _say_done(done, as_json=as_json)


@review.command("close")
@click.argument("review_id")
@click.option("--text", default="", help="What is to stand beside the outcome; needed without a decision.")
@click.option("--undecided", is_flag=True, help="Close it without a decision.")
@by_someone
@json_option
def close_command(review_id: str, text: str, undecided: bool, name: str, role: str, seen: int | None, as_json: bool) -> None:
    """Close a review for good, with the outcome of its verdicts."""
    here = Installation.open()
    found = here.reviews.review(review_id)
    close(here.reviews, here.ledger, found, Author(name, Role(role)), text, seen=_seen(found, seen), undecided=undecided)
    _say(here, here.reviews.review(review_id), as_json=as_json)


@review.command("compare")
@click.argument("first")
@click.argument("second")
@json_option
def compare_command(first: str, second: str, as_json: bool) -> None:
    """Compare two reviews: outcome, guarantee and cost, and of everything else what differs."""
    here = Installation.open()
    table = compared(of_review(here, first), of_review(here, second), (first, second))
    lines = [plain_line(f"{what}: {one}  |  {other}") for what, one, other in table.rows]
    differs = [{"what": what, "first": one, "second": other} for what, one, other in table.rows]
    say({"first": first, "second": second, "rows": differs, "note": table.caption}, "\n".join([*lines, table.caption]), as_json=as_json)


def _seen(found: Review, seen: int | None) -> int:
    return found.version if seen is None else seen


def _summary(found: Review) -> dict[str, object]:
    """What lists say of a review."""
    frozen = found.frozen
    names = ("recipe", "epsilon", "epsilon_spent", "delta", "unit", "accountant", "neighboring_relation", "guarantee")
    return {
        "review_id": found.review_id,
        "version": found.version,
        "opened_at": found.records[0].at,
        "cohort": frozen["cohort"]["name"],
        "fingerprint": frozen["fingerprint"],
        **{name: frozen["candidate"][name] for name in names},
        "closed": found.closed is not None,
        "outcome": outcome_of(found),
        "broken_at": found.broken_at,
    }


def _say(here: Installation, found: Review, *, as_json: bool, with_tables: bool = False) -> None:
    """Print a review."""
    tables, different = here.reviews.tables(found.review_id), changes(here.ledger, found.frozen)
    changed = changed_tables(found.frozen, tables)
    # An answer from other rows than were reviewed would be wrong: then the program gives none.
    points, decided = checklist(found, None if changed else tables), decision(found)
    document = {
        **_summary(found),
        "question": found.records[0].body["question"],
        "quorum": found.records[0].body["quorum"],
        "missing": {role.value: number for role, number in decided.missing.items()},
        "conditions": list(decided.conditions),
        "changes": different,
        "changed_tables": changed,
        "open_points": n_open(points),
        "checklist": [point.to_fields() for point in points],
        "records": [record.to_fields() for record in found.records],
        "frozen": found.frozen,
        **({"tables": tables} if with_tables else {}),
    }
    say(document, _readable(document, found, points, different), as_json=as_json)


def _readable(document: Mapping[str, Any], found: Review, points: list[Answered], different: list[str]) -> str:
    """A review for a terminal."""
    state = "closed" if found.closed else f"open, version {found.version}"
    missing = ", ".join(f"{number} of {role}" for role, number in document["missing"].items())
    lines = [
        f"Review {found.review_id} of {document['cohort']} ({state}): {document['outcome']}",
        *([plain_line(f"Question: {document['question']}")] if document["question"] else []),
        f"Candidate: recipe {document['recipe']}, {document['guarantee']}",
        found.frozen["ledger"]["sentence"],
        f"Frozen: {counted(len(found.frozen['runs']), 'run', 'runs')}, {counted(len(found.frozen['tables']), 'table', 'tables')}. "
        f"{found.frozen['not_covered']}",
        *([] if found.broken_at is None else [f"NOT GENUINE from record {found.broken_at} on: it was changed outside DPMed."]),
        *(f"NOT GENUINE: the rows of table {name} were changed outside DPMed." for name in document["changed_tables"]),
        *([f"Verdicts are missing: {missing}."] if missing and not found.closed else []),
        *(f"Different now: {sentence}" for sentence in different),
        f"Checklist: {counted(n_open(points), 'point is', 'points are')} open of {len(points)}.",
        *(_point(point) for point in points),
        *(f"  {source}: {cited}" for source, cited in SOURCES.items()),
        *(_record(record) for record in found.records),
    ]
    return "\n".join(lines)


def _point(one: Answered) -> str:
    told = f"{one.met.value}: {one.text} ({one.by})" if one.met else "OPEN"
    return f"  {one.point.name} [{one.point.source}, {one.point.where}] {one.point.about} {plain_line(told)}"


def _record(record: Record) -> str:
    """A record in one line."""
    at, (name, role), body = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(record.at)), record.author, record.body
    about = body.get("about") or {}
    on = " ".join(filter(None, (about.get("kind"), about.get("name"), about.get("finding"))))
    forgotten = "(removed with the cohort)" if "words" in body and record.words is None else ""
    told = (on, body.get("point"), body.get("met"), body.get("choice"), body.get("outcome"), body.get("reason"), body.get("text"))
    said = " · ".join(str(part) for part in (*told, record.words, forgotten) if part)
    # In one line, whatever was written: no words may look like another record.
    return plain_line(f"{record.seq}. {at}, {name} ({role}): {record.kind} {said}")


def _say_done(record: Record, *, as_json: bool) -> None:
    say(record.to_fields(), f"Recorded: the review is at version {record.seq}.", as_json=as_json)
