"""`ledger`: what all models spent on each patient, the cap, and what may leave the house."""

import math
import sys
from dataclasses import asdict

import click

from dpmed_core.commands.ledger_release import register_command, release_command
from dpmed_core.commands.output import json_option, say
from dpmed_core.errors import LedgerError, SpecError
from dpmed_core.installation import Installation
from dpmed_core.phrases import counted, delta_text, epsilon_text
from dpmed_core.privacy.ledger.book import ACCEPTED, PLANNED, Book, is_usable
from dpmed_core.privacy.ledger.cap import cap_sentence
from dpmed_core.privacy.ledger.chain import Entry
from dpmed_core.privacy.ledger.check import check_ledger
from dpmed_core.privacy.ledger.patients import all_patients
from dpmed_core.privacy.ledger.totals import PatientTotals
from dpmed_core.privacy.total_sentence import total_sentence
from dpmed_core.training.spec import default_delta

NOT_GENUINE = 2


@click.group()
def ledger() -> None:
    """What all models ever trained spent on each patient: an append-only, sealed record."""


@ledger.command("show")
@click.option("--cohort", "cohort_name", help="Only this cohort's patients, with what was spent on them through other cohorts too.")
@click.option("--delta", type=float, help="Default: 1e-5, or the largest power of ten that is at most 1 / (10 patients).")
@json_option
def show(cohort_name: str | None, delta: float | None, as_json: bool) -> None:
    """The total for each patient, the cap, and the entries."""
    installation = Installation.open()
    cohort = installation.cohorts.load(cohort_name) if cohort_name else None
    book = installation.ledger.book()
    only = all_patients(installation.cohorts, cohort) if cohort else None
    entries = book.touching(only) if only else list(book.entries)
    if delta is None:
        delta = default_delta(len(only.persons) if only else len(book.patients()))
    elif not 0 < delta < 1:
        raise SpecError(f"δ = {delta:g} is not between 0 and 1: write a small probability, such as 1e-5.")
    total = installation.ledger.total(cohort, delta=delta)
    head = book.head
    document = {
        "epsilon": _finite(total.epsilon),
        "delta": delta,
        "draws": total.n_draws,
        "non_private": total.n_non_private,
        "patients": {
            "n": total.n_patients,
            "largest": _finite(total.epsilon),
            "median": _finite(total.median),
            "above_cap": total.n_above_cap,
        },
        "accountant": total.accountant,
        "open": total.n_open,
        "image_level": total.n_image_level,
        "of_unknown_patients": total.n_of_unknown_patients,
        "unknown": list(total.unknown),
        "measuring": total.n_measuring,
        "cap": book.cap.to_fields() if book.cap else None,
        "head": head.digest if head else None,
        "entries": [entry.to_fields() for entry in entries],
    }
    say(document, _readable(total, book, entries), as_json=as_json)


@ledger.command("check")
@click.option("--head", help="The seal on an export, which the chain must hold.")
@json_option
def check(head: str | None, as_json: bool) -> None:
    """Verify the chain, reconcile it with the run store, compute every total again; exit status 2 with what is wrong."""
    found = check_ledger(Installation.open().ledger, expected_head=head)
    sealed = f"{counted(found.n_entries, 'entry', 'entries')}, last seal {found.head or 'none'}."
    verdict = "Nothing is wrong: the chain is whole, agrees with the run store, and every price was computed again."
    lines = [sealed, *(found.problems or (verdict,)), *found.notes]
    say({"ok": not found.problems, **asdict(found)}, "\n".join(lines), as_json=as_json)
    if found.problems:
        sys.exit(NOT_GENUINE)


@ledger.command("cap")
@click.argument("epsilon", required=False, type=float)
@click.option("--delta", type=float, default=1e-5, show_default=True)
@click.option("--lift", is_flag=True, help="No cap any more.")
@click.option("--name", help="Who decides.")
@click.option("--reason", help="Why.")
@json_option
def cap(epsilon: float | None, delta: float, lift: bool, name: str | None, reason: str | None, as_json: bool) -> None:
    """Show, set or lift the largest EPSILON that may be spent on any patient."""
    installation = Installation.open()
    if epsilon is not None and lift:
        raise click.UsageError("Give either an epsilon or --lift.")
    if epsilon is not None or lift:
        if not (name and reason):
            raise click.UsageError("A cap is a decision: add --name and --reason, which are kept in the ledger.")
        installation.ledger.set_cap(epsilon=epsilon, delta=delta, name=name, reason=reason)
    holds = installation.ledger.book().cap
    readable = f"{cap_sentence(holds)} Set by {holds.name}: {holds.reason}" if holds else "There is no cap."
    say({"cap": holds.to_fields() if holds else None}, readable, as_json=as_json)


@ledger.command("accept")
@click.option("--name", required=True, help="Who answers for it.")
@click.option("--reason", required=True, help="What happened.")
@json_option
def accept(name: str, reason: str, as_json: bool) -> None:
    """Answer for the gaps that `ledger check` found, such as a backup that was restored on purpose, or a record that is lost."""
    chosen = Installation.open().ledger

    def decide(book: Book) -> dict[str, object]:
        if not book.open_gaps and not book.unanswered:
            raise LedgerError("There is no gap to answer for.")
        return {"name": name, "reason": reason, "gaps": [gap.seq for gap in book.open_gaps], "unknown": list(book.unanswered)}

    entry = chosen.append(ACCEPTED, decide)
    say(entry.to_fields(), entry_line(entry), as_json=as_json)


ledger.add_command(register_command)
ledger.add_command(release_command)


def _finite(epsilon: float) -> float | None:
    return epsilon if math.isfinite(epsilon) else None


def _readable(total: PatientTotals, book: Book, entries: list[Entry]) -> str:
    lines = [total_sentence(total)]
    if total.n_patients:
        lines.append(
            f"Patients who took part: {total.n_patients:,}; largest ε {epsilon_text(total.epsilon)}, median {epsilon_text(total.median)}"
            + (f"; above the cap: {total.n_above_cap:,}" if book.cap else "")
            + "."
        )
    lines.append(cap_sentence(book.cap) if book.cap else "There is no cap: set one with `ledger cap`.")
    lines.append(f"Last seal: {book.head.digest if book.head else 'none'}")
    return "\n".join([*lines, "", *(entry_line(entry) for entry in entries)])


def entry_line(entry: Entry) -> str:
    """An entry in one line."""
    body = entry.body
    start = f"{entry.seq:>5}  {entry.kind:<10}"
    if not is_usable(entry):
        return f"{start} cannot be read: it was changed from outside. Restore the database from a backup."
    match entry.kind:
        case "asked" | "planned":
            target = f"ε {body['epsilon']:g}, δ {delta_text(body['delta'])}" if body["epsilon"] is not None else "without privacy, no bound"
            steps = f", {body['steps']} steps" if entry.kind == PLANNED else ""
            return f"{start} run {body['run']}  {body['recipe']}, {target}, unit {body['unit']}, seed {body['seed']}{steps}"
        case "ended":
            return f"{start} run {body['run']}  {body['how']}: {counted(body['steps'], 'step', 'steps')} charged"
        case "measured":
            return (
                f"{start} {body['recipe']}, {counted(body['trainings'], 'shadow training', 'shadow trainings')}, without privacy, not kept"
            )
        case "cap":
            what = "lifted" if body["epsilon"] is None else f"ε {body['epsilon']:g} at δ {delta_text(body['delta'])}"
            return f"{start} {what}, by {body['name']}: {body['reason']}"
        case _:
            return f"{start} {body.get('run', '')}  by {body.get('name')}: {body.get('reason')}"
