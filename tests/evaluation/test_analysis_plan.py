import json
from types import SimpleNamespace

import pytest

from dpmed_core.errors import SettingsError, SpecError
from dpmed_core.evaluation.analysis_plan import AnalysisPlan, AnalysisPlans

COHORT = SimpleNamespace(fingerprint="0123456789abcdef")
PLANNED = AnalysisPlan.of(["sex", "age"], ["mass"], 0.02)
OTHER = AnalysisPlan.of(["sex"], ["mass"], 0.05)


@pytest.fixture
def book(tmp_path, fixed_key):
    return AnalysisPlans(tmp_path / "families", fixed_key)


def test_the_first_look_locks_the_family_whatever_order_it_is_named_in(book):
    first = book.look(COHORT, PLANNED)
    again = book.look(COHORT, AnalysisPlan.of(["age", "sex", "age"], ["mass"], 0.02))
    assert first.is_first and again.is_first and again.locked_at == first.locked_at and again.n_plans == 1
    assert "locked on" in first.sentence() and "before" in first.sentence()


def test_a_later_look_under_another_family_is_kept_and_said(book):
    locked = book.look(COHORT, PLANNED)
    later = book.look(COHORT, OTHER)
    assert not later.is_first and later.locked == PLANNED and later.locked_at == locked.locked_at and later.n_plans == 2
    assert "not planned" in later.sentence() and "exploration" in later.sentence()
    assert book.look(COHORT, PLANNED).is_first


def test_another_cohort_has_a_family_of_its_own(book):
    book.look(COHORT, PLANNED)
    assert book.look(SimpleNamespace(fingerprint="fedcba9876543210"), OTHER).is_first


@pytest.mark.parametrize("change", ["margin", "at", "swap", "drop", "garbage"])
def test_a_changed_record_is_noticed(book, change):
    book.look(COHORT, PLANNED)
    book.look(COHORT, OTHER)
    path = book.root / f"{COHORT.fingerprint}.jsonl"
    lines = path.read_text().splitlines()
    first = json.loads(lines[0])
    if change == "margin":
        first["family"]["margin"] = 0.3
    if change == "at":
        first["at"] += 1
    lines[0] = json.dumps(first)
    new = {"swap": lines[::-1], "drop": lines[1:], "garbage": [*lines, "{"]}.get(change, lines)
    path.write_text("\n".join(new) + "\n")
    with pytest.raises(SettingsError, match="was changed"):
        book.look(COHORT, PLANNED)


def test_a_margin_that_is_no_loss_is_refused_before_anything_is_locked(book):
    with pytest.raises(SpecError, match="margin"):
        AnalysisPlan.of(["sex"], ["mass"], 0.0)
    assert not book.root.exists()
