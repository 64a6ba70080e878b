import json
from types import SimpleNamespace

import pytest

from dpmed_core.errors import SettingsError, SpecError
from dpmed_core.evaluation.analysis_plan import AnalysisPlan, AnalysisPlans

COHORT = SimpleNamespace(fingerprint="0123456789abcdef")
PLANNED = AnalysisPlan.of(["sex", "age"], ["mass"], 0.02)
OTHER = AnalysisPlan.of(["sex"], ["mass"], 0.05)


@pytest.fixture
def plans(tmp_path, fixed_key):
    return AnalysisPlans(tmp_path / "plans", fixed_key)


def test_the_first_plan_is_locked_whatever_the_order_of_its_parts(plans):
    first = plans.look(COHORT, PLANNED)
    again = plans.look(COHORT, AnalysisPlan.of(["age", "sex", "age"], ["mass"], 0.02))
    assert first.is_first and again.is_first and again.locked_at == first.locked_at and again.n_plans == 1
    assert "locked on" in first.sentence() and "before" in first.sentence()


def test_a_later_look_under_another_plan_is_recorded_and_stated(plans):
    locked = plans.look(COHORT, PLANNED)
    later = plans.look(COHORT, OTHER)
    assert not later.is_first and later.locked == PLANNED and later.locked_at == locked.locked_at and later.n_plans == 2
    assert "not planned" in later.sentence() and "exploration" in later.sentence()
    assert plans.look(COHORT, PLANNED).is_first


def test_another_cohort_has_its_own_plan(plans):
    plans.look(COHORT, PLANNED)
    assert plans.look(SimpleNamespace(fingerprint="fedcba9876543210"), OTHER).is_first


@pytest.mark.parametrize("change", ["margin", "at", "swap", "drop", "garbage"])
def test_a_changed_record_is_noticed(plans, change):
    plans.look(COHORT, PLANNED)
    plans.look(COHORT, OTHER)
    path = plans.root / f"{COHORT.fingerprint}.jsonl"
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
        plans.look(COHORT, PLANNED)


def test_a_margin_that_no_loss_can_have_is_refused_before_anything_is_locked(plans):
    with pytest.raises(SpecError, match="margin"):
        AnalysisPlan.of(["sex"], ["mass"], 0.0)
    assert not plans.root.exists()
