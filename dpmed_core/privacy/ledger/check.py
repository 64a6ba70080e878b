"""Checking the ledger: its chain, its agreement with the run store, and its totals, computed again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dpmed_core.privacy.ledger.book import ENDED, Book, Draw
from dpmed_core.privacy.ledger.chain import HEAD_FILE, Entry, read_entries
from dpmed_core.privacy.ledger.ledger import Ledger
from dpmed_core.privacy.ledger.patients import read_sets, set_id_of
from dpmed_core.runs.charged_attempts import Attempt, attempts_of, recorded_attempts
from dpmed_core.training.accounting.dominating_gaussian import squared_mu

SAME = 1e-6
"""Relative difference up to which two computations of a price agree."""


@dataclass(frozen=True)
class LedgerCheck:
    """What a check found.

    Attributes:
        n_entries: entries of the chain.
        head: the seal of the last one; None where there is none.
        problems: what is wrong, in sentences; empty where nothing is.
        notes: what is not wrong but worth knowing.
    """

    n_entries: int
    head: str | None
    problems: tuple[str, ...]
    notes: tuple[str, ...] = ()


def check_ledger(ledger: Ledger, *, expected_head: str | None = None) -> LedgerCheck:
    """Verify the chain, reconcile it with the run store, and compute every price again.

    Args:
        ledger: to be checked.
        expected_head: the seal on an export, which the chain must hold; its first eight digits are enough.
    """
    with ledger.chain.database.transaction() as connection:
        entries, sets = read_entries(connection), read_sets(connection)
    problems: list[str] = []
    notes: list[str] = []
    broken = ledger.chain.broken_at(entries)
    if broken is not None:
        problems.append(
            f"Entry {broken} is not the one that was written there: an entry was changed, removed or moved, or the key is another one."
        )
    problems += _against_noted_head(ledger, entries)
    problems += [
        f"Entry {gap.seq}: the database was older than entry {gap.body['noted_seq']}, which had been written; what the runs' own records "
        "held beyond it was entered again. Answer for it with `ledger accept`."
        for gap in Book(entries, sets).open_gaps
    ]
    if expected_head and not any(entry.digest.startswith(expected_head.lower()) for entry in entries):
        problems.append(f"No entry has the seal {expected_head}: what was exported with it came from another, or a later, ledger.")
    for set_id, patients in sets.items():
        if set_id_of(ledger.runs.key, patients) != set_id:
            problems.append("A stored set of patients was changed.")
    used = {str(entry.body.get("patients")) for entry in entries if entry.body.get("patients")}
    if used - set(sets):
        problems.append(f"{len(used - set(sets))} of {len(used)} sets of patients are missing; their runs count for everybody.")
    seen = ledger.book()
    problems += [
        f"What {what} spent cannot be told: restore it from a backup, or answer for it with `ledger accept`." for what in seen.unanswered
    ]
    if broken is None:
        book = Book(tuple(entries), sets)
        problems += _prices(ledger, book)
        problems += _records(ledger, book, notes)
    waiting = len([run_id for run_id in ledger.runs.ids() if run_id not in Book(entries, sets).runs and attempts_of(ledger.runs, run_id)])
    if waiting:
        notes.append(
            f"{waiting} runs have no entries, being of an earlier version or newer than a restored copy; they are counted all the same."
        )
    return LedgerCheck(len(entries), entries[-1].digest if entries else None, tuple(problems), tuple(notes))


def _against_noted_head(ledger: Ledger, entries: Sequence[Entry]) -> list[str]:
    """Whether the chain ends where the data folder says that it does."""
    noted_seq, noted_digest = ledger.chain.noted_head()
    if noted_seq > len(entries):
        return [
            f"The database ends with entry {len(entries)}, and entry {noted_seq} was written: an older copy was restored, or entries were "
            "removed."
        ]
    if entries and not noted_seq:
        return [
            f"{HEAD_FILE}, which notes the last entry in the data folder, is missing or cannot be read: whether the database is an older "
            "copy cannot be told. The next entry writes it anew."
        ]
    if noted_seq and entries[noted_seq - 1].digest != noted_digest:
        return [f"Entry {noted_seq} is another one than was noted in the data folder: an older copy was restored and continued."]
    return []


def _prices(ledger: Ledger, book: Book) -> list[str]:
    """Entries whose price is not that of their mechanism."""
    known: dict[tuple[float, float, int, int], float] = {}
    problems = []
    for draw in book.draws:
        m = draw.mechanism
        if not draw.private:
            continue
        key = (m.noise_multiplier, m.sample_rate, m.steps, m.images_per_patient)
        if key not in known:
            known[key] = squared_mu(m, cache_dir=ledger.calibrations_dir)
        if abs(known[key] - draw.squared_mu) > SAME * max(known[key], draw.squared_mu):
            problems.append(f"Entry {draw.seq} is charged with another price than its mechanism has.")
    return problems


def _records(ledger: Ledger, book: Book, notes: list[str]) -> list[str]:
    """Differences between the entries and the records that the runs keep; records that lost events are added to `notes`."""
    problems = []
    by_run: dict[str, list[Draw]] = {}
    for draw in book.draws:
        by_run.setdefault(draw.run_id, []).append(draw)
    ended = {entry.body["draw"]: entry.body for entry in book.entries if entry.kind == ENDED}
    for run_id in sorted({*by_run, *(r for r in ledger.runs.ids() if r in book.runs)}):
        if run_id not in ledger.runs:
            problems.append(f"Run {run_id} stands in the ledger, and its folder is gone; what it spent stays counted.")
            continue
        attempts, is_whole = recorded_attempts(ledger.runs, run_id)
        recorded = {attempt.draw: attempt for attempt in attempts}
        if not is_whole:
            notes.append(
                f"The record of run {run_id} lost events; what the ledger holds stays counted, whole where no end was written down."
            )
            continue
        drawn = {draw.draw: draw for draw in by_run.get(run_id, [])}
        if missing := len(set(recorded) - set(drawn)):
            problems.append(f"Run {run_id} has {missing} attempts that the ledger lacks: an older copy of the database was restored.")
        for name, draw in drawn.items():
            if problem := _difference(draw, ended.get(name), recorded.get(name)):
                problems.append(f"Run {run_id}, entry {draw.seq}: {problem}")
    return problems


def _difference(draw: Draw, ended: Mapping[str, object] | None, attempt: Attempt | None) -> str | None:
    """How an attempt's entry and its record differ; None where they agree, or where the end is still to be written down."""
    if ended is None:
        return None  # charged with everything, which cannot be too little
    if attempt is None:
        return "the run's own record lacks this attempt."
    if int(str(ended["steps"])) != attempt.steps:
        return f"{ended['steps']} steps are charged, and the run's own record tells of {attempt.steps}."
    return None
