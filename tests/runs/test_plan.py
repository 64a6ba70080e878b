import re
from dataclasses import replace

import pytest

from dpmed_core.errors import SpecError
from dpmed_core.runs.plan import estimate_seconds, n_train_units, parse_delta, parse_epsilons, plan_runs
from dpmed_core.training.result import RunResult
from dpmed_core.training.spec import NOTHING_LEARNT, PrivacyUnit, StartChoice, default_delta


def plan(cohort, installation, **changes):
    options = {"recipe": "probe", "epsilons": [1, 0.3], "n_seeds": 2, "delta": None, "unit": PrivacyUnit.PATIENT} | changes
    return plan_runs(cohort, key=installation.key, **options)


def test_a_grid_is_planned_seed_by_seed_with_the_reference_first(cohort, installation):
    specs = plan(cohort, installation)
    assert [(s.seed, s.privacy.epsilon if s.privacy else None) for s in specs] == [
        (0, None), (0, 0.3), (0, 1.0), (1, None), (1, 0.3), (1, 1.0),
    ]  # fmt: skip
    assert {s.cohort_fingerprint for s in specs} == {cohort.fingerprint}


def test_delta_follows_the_number_of_units(cohort, installation):
    patients = n_train_units(cohort, key=installation.key, unit=PrivacyUnit.PATIENT)
    images = n_train_units(cohort, key=installation.key, unit=PrivacyUnit.IMAGE)
    assert images == 2 * patients and 16 < patients < 29
    assert {s.privacy.delta for s in plan(cohort, installation) if s.privacy} == {default_delta(patients)}
    assert {s.privacy.delta for s in plan(cohort, installation, delta=1e-7) if s.privacy} == {1e-7}


@pytest.mark.parametrize(("n_units", "delta"), [(1, 1e-5), (10_000, 1e-5), (10_001, 1e-6), (99_999, 1e-6), (1_000_000, 1e-7)])
def test_the_default_delta_is_below_a_tenth_of_one_over_n(n_units, delta):
    assert default_delta(n_units) == pytest.approx(delta)
    assert default_delta(n_units) <= 1 / (10 * n_units) * (1 + 1e-12)


@pytest.mark.parametrize(
    "changes", [{"epsilons": [], "non_private": False}, {"epsilons": [0]}, {"epsilons": [-1]}, {"delta": 1.0}, {"recipe": "x"}]
)
def test_what_cannot_be_trained_is_refused(cohort, installation, changes):
    with pytest.raises(SpecError):
        plan(cohort, installation, **changes)


def test_budgets_are_read_and_anything_else_is_refused():
    assert parse_epsilons(" 0.3, 1,8 ,") == [0.3, 1.0, 8.0]
    for text in ("", " , ", "1;2", "one"):
        with pytest.raises(SpecError):
            parse_epsilons(text)


@pytest.mark.parametrize(("text", "delta"), [("1e-5", 1e-5), (" 0.00001 ", 1e-5), (".09", 0.09)])
def test_one_delta_is_read(text, delta):
    assert parse_delta(text) == delta


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1e-5, 1e-6", "has a comma"),
        ("0,00001", "has a comma"),
        ("", "No δ was given"),
        ("small", "'small' is not a number: write δ as"),
        ("0", "δ = 0 is not between 0 and 1"),
        ("1", "δ = 1 is not between 0 and 1"),
        ("-1e-5", "δ = -1e-05 is not between 0 and 1"),
        ("nan", "δ = nan is not between 0 and 1"),
    ],
)
def test_what_is_not_one_delta_is_refused_in_its_own_words(text, said):
    with pytest.raises(SpecError, match=re.escape(said)):
        parse_delta(text)


def test_a_later_seed_is_planned_alone_and_as_in_the_whole_grid(cohort, installation):
    alone = plan(cohort, installation, n_seeds=1, first_seed=3)
    assert alone == [spec for spec in plan(cohort, installation, n_seeds=4) if spec.seed == 3]
    assert [spec.seed for spec in plan(cohort, installation, n_seeds=1, first_seed=100_000)] == [100_000] * 3


def test_more_runs_take_longer_and_more_workers_less(cohort, installation):
    few, many = plan(cohort, installation, n_seeds=1), plan(cohort, installation, n_seeds=8, recipe="paper")
    assert 0 < estimate_seconds(few, cohort, [], workers=2) < estimate_seconds(many, cohort, [], workers=2)
    assert estimate_seconds(many, cohort, [], workers=4) < estimate_seconds(many, cohort, [], workers=1)


def test_a_start_alone_takes_no_training_time_and_tells_nothing_of_it(cohort, installation):
    start = StartChoice("elsewhere", "d" * 64, ((cohort.findings[0], "mass"),))
    specs = plan(cohort, installation, recipe="paper", start=start)
    alone = next(spec for spec in specs if spec.privacy == NOTHING_LEARNT)
    scored = RunResult(alone, None, elapsed_seconds=0.0, n_parameters=0, n_train_cases=0, n_train_units=9)
    rest = [spec for spec in specs if spec != alone]
    expected = estimate_seconds(rest, cohort, [], workers=1)
    assert estimate_seconds(specs, cohort, [scored] * 3, workers=1) == expected > 0
    assert estimate_seconds([alone], cohort, [], workers=1) == 0


def test_without_known_patients_no_guarantee_is_given_to_a_patient(cohort, installation):
    unknown = replace(cohort, patients_known=False)
    with pytest.raises(SpecError, match="choose the unit image"):
        plan(unknown, installation)
    assert len(plan(unknown, installation, unit=PrivacyUnit.IMAGE)) == 6
