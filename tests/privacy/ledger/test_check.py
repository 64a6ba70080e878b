"""Checking the ledger against the run store, and what an older database does."""

import json
import re
import shutil

import pytest
from sqlalchemy import delete, update

from dpmed_core.errors import LedgerError
from dpmed_core.privacy.ledger.book import ACCEPTED, GAP
from dpmed_core.privacy.ledger.chain import ledger_entries, ledger_patients
from dpmed_core.privacy.ledger.check import check_ledger

DELTA = 1e-5


def change(ledger, statement):
    with ledger.chain.database.transaction() as connection:
        connection.execute(statement)


def test_a_whole_ledger_has_nothing_wrong(installation, begin):
    begin(0)
    begin(1, end=7)
    begin(2, end=None)
    begin(3, private=False)
    found = check_ledger(installation.ledger)
    assert found.problems == () and found.n_entries == 12
    assert check_ledger(installation.ledger, expected_head=found.head[:8]).problems == ()
    assert "later, ledger" in check_ledger(installation.ledger, expected_head="0123abcd").problems[0]


def test_a_record_that_says_other_than_the_ledger_is_found(installation, begin):
    status = begin(0, end=7)
    path = installation.runs.root / status.run_id / "attempts.jsonl"
    written = path.read_text()
    path.write_text(written.replace('"steps": 7', '"steps": 3'))
    found = check_ledger(installation.ledger)
    assert found.problems == () and "lost events" in found.notes[0], "damage, which the line's seal shows"
    request = path.with_name("request.json")  # of a run of an earlier version nothing has a seal
    request.write_text(json.dumps({name: value for name, value in json.loads(request.read_text()).items() if name != "seal"}))
    path.write_text(re.sub(r'"seal": "\w+", ', "", written).replace('"steps": 7', '"steps": 3'))
    assert "7 steps are charged, and the run's own record tells of 3" in check_ledger(installation.ledger).problems[0]
    lines = [line for line in path.read_text().splitlines() if '"planned"' not in line]
    path.write_text("\n".join([*lines, *['{"event": "retry-asked"}'] * 3]) + "\n")
    assert "lacks this attempt" in check_ledger(installation.ledger).problems[0]
    shutil.rmtree(path.parent)
    assert "its folder is gone" in check_ledger(installation.ledger).problems[0]
    assert installation.ledger.total(None, delta=DELTA).n_draws == 1  # what it spent stays counted


def test_a_changed_entry_or_set_of_patients_is_found(installation, begin):
    begin(0)
    change(installation.ledger, update(ledger_patients).values(members='[["nobody"],[]]'))
    assert "set of patients was changed" in check_ledger(installation.ledger).problems[0]
    change(installation.ledger, delete(ledger_patients))
    assert "are missing" in check_ledger(installation.ledger).problems[0]
    change(installation.ledger, delete(ledger_entries).where(ledger_entries.c.seq == 1))
    assert "Entry 1 is not the one" in check_ledger(installation.ledger).problems[0]


def test_an_older_database_is_found_and_charges_what_the_runs_recorded(installation, cohort, begin, settings):
    begin(0)
    older = settings.database_path.read_bytes()
    begin(1)
    begin(0)
    whole = installation.ledger.total(cohort, delta=DELTA)
    settings.database_path.write_bytes(older)
    assert "an older copy was restored" in check_ledger(installation.ledger).problems[0]
    assert installation.ledger.total(cohort, delta=DELTA) == whole  # before anything is written
    begin(2)
    kinds = [entry.kind for entry in installation.ledger.chain.entries()]
    assert GAP in kinds and installation.ledger.total(cohort, delta=DELTA).n_draws == 4
    problems = check_ledger(installation.ledger).problems
    assert len(problems) == 1 and "the database was older" in problems[0]
    installation.ledger.append(ACCEPTED, lambda book: {"name": "IT", "reason": "restored", "gaps": [gap.seq for gap in book.open_gaps]})
    assert check_ledger(installation.ledger).problems == ()


def test_a_price_that_is_not_that_of_the_mechanism_is_found(installation, begin, monkeypatch):
    begin(0)
    monkeypatch.setattr("dpmed_core.privacy.ledger.check.squared_mu", lambda *_, **__: 1.0)
    assert "another price" in check_ledger(installation.ledger).problems[0]


def test_runs_of_versions_without_a_ledger_are_counted_and_adopted(installation, cohort, begin):
    begin(0)
    begin(1, end=7)
    begin(2, private=False)
    whole = installation.ledger.total(cohort, delta=DELTA)
    change(installation.ledger, delete(ledger_entries))
    (installation.settings.data_dir / "ledger-head.json").unlink()
    assert installation.ledger.total(cohort, delta=DELTA) == whole
    assert "have no entries" in check_ledger(installation.ledger).notes[0]
    begin(3)
    assert installation.ledger.total(cohort, delta=DELTA).n_draws == 3
    found = check_ledger(installation.ledger)
    assert (found.problems, found.notes) == ((), ())


def test_earlier_runs_of_a_cohort_that_is_gone_count_for_everybody(installation, cohort, begin, version):
    begin(0)
    whole = installation.ledger.total(cohort, delta=DELTA)
    other = version("strangers", slice(0, 20), patient_ids=lambda ids: "x" + ids)
    change(installation.ledger, delete(ledger_entries))
    (installation.settings.data_dir / "ledger-head.json").unlink()
    installation.cohorts.remove(cohort.name)
    begin(0, of=other)
    total = installation.ledger.total(other, delta=DELTA)
    assert (total.n_draws, total.n_of_unknown_patients) == (2, 1) and total.epsilon > whole.epsilon


def test_there_must_be_a_gap_to_answer_for(installation):
    def decide(book):
        if not book.open_gaps:
            raise LedgerError("There is no gap to answer for.")
        return {}

    with pytest.raises(LedgerError):
        installation.ledger.append(ACCEPTED, decide)


@pytest.mark.parametrize("content", [None, "", "{}", "flipped", "folder"])
def test_a_lost_note_of_the_last_entry_is_found(installation, cohort, begin, content):
    begin(0)
    note = installation.settings.data_dir / "ledger-head.json"
    noted = note.read_text()
    note.unlink()
    if content == "flipped":  # "is an older copy" would ask somebody to answer for what did not happen
        note.write_text(re.sub(r'"seq": (\d+)', lambda found: f'"seq": {int(found[1]) + 8}', noted))
    elif content == "folder":
        note.mkdir()
    elif content is not None:
        note.write_text(content)
    (problem,) = check_ledger(installation.ledger).problems
    assert "ledger-head.json" in problem and "cannot be told" in problem
    begin(1)
    assert check_ledger(installation.ledger).problems == ()
