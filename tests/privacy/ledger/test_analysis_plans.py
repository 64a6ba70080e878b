"""Analysis plans in the ledger: written with the first run, extended before results, changed after them, removed, and taken over."""

import json
from dataclasses import replace

import pytest
from sqlalchemy import delete, update

from dpmed_core.evaluation.analysis_plan import AnalysisPlan
from dpmed_core.keyed_hash import keyed_hex
from dpmed_core.privacy.ledger.book import PLAN
from dpmed_core.privacy.ledger.chain import ledger_entries
from dpmed_core.privacy.ledger.check import check_ledger
from dpmed_core.training.spec import PrivacyTarget

C = ledger_entries.c


def asked(spec, *epsilons, seeds=1):
    return [replace(spec, privacy=None if e is None else PrivacyTarget(e, 1e-5), seed=s) for e in epsilons for s in range(seeds)]


def change(installation, *statements):
    with installation.ledger.chain.database.transaction() as connection:
        for statement in statements:
            connection.execute(statement)


def test_the_first_run_that_is_asked_for_writes_the_plan(installation, cohort, spec):
    assert installation.ledger.plan_record(cohort).written == ()
    installation.ledger.ask(cohort, asked(spec, None, 1.0, 8.0, seeds=3))
    record = installation.ledger.plan_record(cohort)
    plan = record.plan
    assert (plan.recipe, plan.unit, plan.epsilons, plan.n_seeds) == (spec.recipe, spec.unit.value, (1.0, 8.0), 3)
    assert set(plan.attributes) == {"sex", "age"} and plan.findings == tuple(sorted(cohort.findings)) and plan.margin == 0.02
    assert not record.is_exploratory and len(record.written) == 1 and record.written[0].seal


def test_groups_chosen_before_the_first_run_stay_and_get_its_models(installation, cohort, spec):
    installation.ledger.write_plan(cohort, AnalysisPlan.of(["sex"], cohort.findings, 0.05))
    installation.ledger.ask(cohort, asked(spec, None, 1.0))
    plan = installation.ledger.plan_record(cohort).plan
    assert (plan.attributes, plan.margin, plan.epsilons) == (("sex",), 0.05, (1.0,))


def test_models_asked_for_before_a_verdict_could_be_seen_join_the_plan_and_later_ones_do_not(installation, cohort, spec, begin):
    begin(0, private=False)
    begin(0)  # ε = 8, which the non-private run's plan did not name
    assert installation.ledger.plan_record(cohort).plan.epsilons == (8.0,)
    n_entries = len(installation.ledger.plan_record(cohort).written)
    installation.ledger.ask(cohort, asked(spec, 3.0))
    record = installation.ledger.plan_record(cohort)
    assert len(record.written) == n_entries and record.plan.epsilons == (8.0,) and not record.is_exploratory


def test_a_change_after_results_is_added_and_makes_everything_exploratory(installation, cohort, begin):
    begin(0, private=False)
    begin(0)
    installation.ledger.write_plan(cohort, AnalysisPlan.of(["age"], cohort.findings, 0.1), reason="the clinic asked")
    record = installation.ledger.plan_record(cohort)
    assert record.written[-1].after_results and record.is_exploratory and "the clinic asked" in record.sentence()
    assert record.plan.attributes == ("age",) and record.plan.epsilons == (8.0,)


def test_another_version_of_the_cohort_gets_no_fresh_plan_once_results_were_seen(installation, cohort, version, begin, spec):
    """Leaving out one image and importing again would otherwise allow a plan "before the results" of nearly the same patients."""
    begin(0, private=False)
    begin(0)
    again = version("again", slice(1, None))
    installation.ledger.ask(again, asked(replace(spec, cohort_fingerprint=again.fingerprint), None, 1.0))
    record = installation.ledger.plan_record(again)
    assert record.written[0].after_results and record.is_exploratory


def test_a_plan_that_is_removed_changed_or_moved_is_found_and_nothing_counts_as_planned(installation, cohort, spec):
    installation.ledger.ask(cohort, asked(spec, None, 1.0))
    place = next(entry.seq for entry in installation.ledger.chain.entries() if entry.kind == PLAN)
    other = json.dumps({"cohort": cohort.fingerprint, "plan": AnalysisPlan.of(["sex"], ["mass"], 0.3).fields(), "after_results": False})
    change(installation, update(ledger_entries).where(C.seq == place).values(body=other.replace(" ", "")))
    assert (
        not installation.ledger.plan_record(cohort).whole
        or installation.ledger.chain.broken_at(installation.ledger.chain.entries()) == place
    )
    change(installation, delete(ledger_entries).where(C.seq == place))
    record = installation.ledger.plan_record(cohort)
    assert not record.whole and record.is_exploratory and "ledger check" in record.sentence()
    assert check_ledger(installation.ledger).problems


def test_a_ledger_that_was_cut_off_or_deleted_gives_no_fresh_plan(installation, cohort, spec, begin):
    begin(0, private=False)
    begin(0)
    change(installation, delete(ledger_entries))
    assert installation.ledger.plan_record(cohort).is_exploratory
    installation.ledger.ask(cohort, asked(spec, 2.0))
    record = installation.ledger.plan_record(cohort)
    assert not record.whole and record.is_exploratory


def sealed_line(key, before, plan, at):
    said = json.dumps({"attributes": list(plan.attributes), "findings": list(plan.findings), "margin": plan.margin}, sort_keys=True)
    return {"family": json.loads(said), "at": at, "seal": keyed_hex(key, "family", before, said, repr(at))}


@pytest.mark.parametrize("genuine", [True, False])
def test_the_plan_that_an_earlier_version_locked_is_taken_over(installation, cohort, spec, genuine):
    locked = AnalysisPlan.of(["sex"], cohort.findings, 0.04)
    line = sealed_line(installation.key, "", locked, 1_700_000_000.0)
    if not genuine:
        line["family"]["margin"] = 0.3
    folder = installation.settings.data_dir / "families"
    folder.mkdir()
    path = folder / f"{cohort.fingerprint}.jsonl"
    path.write_text(json.dumps(line) + "\n")
    record = installation.ledger.plan_record(cohort)
    assert bool(record.written) is genuine
    if genuine:
        assert record.plan == locked and record.written[0].at == 1_700_000_000.0 and not record.is_exploratory
        installation.ledger.settle()  # anything that is written takes it over
        path.unlink()
        assert installation.ledger.plan_record(cohort).plan == locked
        assert installation.ledger.plan_record(cohort).written[0].at == 1_700_000_000.0
