"""What all models spent on each patient, over runs, units, cohorts and versions."""

import math
from dataclasses import replace

import dp_accounting
import pytest
from dp_accounting.pld import PLDAccountant

from dpmed_core.privacy.ledger.book import Book, Draw
from dpmed_core.privacy.ledger.patients import PatientSet
from dpmed_core.privacy.ledger.totals import totals
from dpmed_core.privacy.total_sentence import NOTHING_SPENT, total_in_short, total_sentence
from dpmed_core.training.accounting.dominating_gaussian import delta0_of, squared_mu
from dpmed_core.training.accounting.gaussian_dp import gaussian_epsilon, gaussian_mu
from dpmed_core.training.accounting.pld import COMPOSED_INTERVAL, Mechanism
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit, RunSpec
from tests.privacy.ledger.conftest import NOISE, STEPS, guarantee

DELTA = 1e-5


def epsilon_of(steps):
    return gaussian_epsilon(math.sqrt(steps) / NOISE, DELTA)


def test_finished_cancelled_and_open_runs_compose(installation, cohort, begin):
    begin(0)
    begin(1, end=5)
    begin(2, end=None)
    total = installation.ledger.total(cohort, delta=DELTA)
    assert total.epsilon == pytest.approx(epsilon_of(2 * STEPS + 5), rel=1e-9)
    assert (total.n_draws, total.n_open, total.n_non_private) == (3, 1, 0)
    assert total.epsilon == total.median and total.n_patients > 10


def test_a_second_draw_of_one_run_is_charged_again(installation, cohort, begin):
    for _ in range(3):
        begin(0)
    total = installation.ledger.total(cohort, delta=DELTA)
    assert total.n_draws == 3
    assert total.epsilon == pytest.approx(epsilon_of(3 * STEPS), rel=1e-9)


def test_a_queued_run_reserves_its_target_until_it_has_planned(installation, cohort, spec, begin):
    installation.ledger.ask(cohort, [spec])
    total = installation.ledger.total(cohort, delta=DELTA)
    assert total.epsilon == pytest.approx(8.0, rel=1e-6) and (total.n_draws, total.n_open) == (1, 1)
    installation.runs.cancel(installation.runs.run_id(spec))
    assert installation.ledger.total(cohort, delta=DELTA).epsilon == 0.0


def test_runs_that_are_only_planned_are_added(installation, cohort, begin, spec):
    begin(0)
    more = [replace(spec, seed=seed) for seed in (5, 6)]
    by_target = installation.ledger.total(cohort, delta=DELTA, planned=more)
    mu = math.sqrt(STEPS / NOISE**2 + 2 * gaussian_mu(PrivacyTarget(8, DELTA)) ** 2)
    assert by_target.epsilon == pytest.approx(gaussian_epsilon(mu, DELTA), rel=1e-9) and by_target.n_draws == 3
    by_noise = installation.ledger.total(cohort, delta=DELTA, planned=more, noise=lambda _: guarantee())
    assert by_noise.epsilon == pytest.approx(epsilon_of(3 * STEPS), rel=1e-9)
    assert installation.ledger.total(cohort, delta=DELTA).n_draws == 1  # nothing was written


def test_other_versions_of_the_same_patients_count(installation, cohort, begin, version):
    begin(0)
    newer = version("newer", slice(0, -1))
    assert installation.ledger.total(newer, delta=DELTA).epsilon == pytest.approx(epsilon_of(STEPS), rel=1e-9)
    begin(0, of=newer)
    for which in (cohort, newer, None):
        total = installation.ledger.total(which, delta=DELTA)
        assert total.epsilon == pytest.approx(epsilon_of(2 * STEPS), rel=1e-9) and total.n_draws == 2


def test_patients_of_one_version_alone_keep_their_own_total(installation, cohort, begin, version):
    first, second = version("first-half", slice(0, 40)), version("second-half", slice(24, None))
    begin(0, of=first)
    begin(0, of=second)
    total = installation.ledger.total(None, delta=DELTA)
    assert total.epsilon == pytest.approx(epsilon_of(2 * STEPS), rel=1e-9)  # who is in both
    assert total.median == pytest.approx(epsilon_of(STEPS), rel=1e-9)  # most are in one


def test_spending_survives_the_removal_of_the_cohort(installation, cohort, begin, version):
    begin(0)
    kept = version("kept", slice(0, -2))
    installation.remove_cohort(cohort.name)
    assert installation.ledger.total(kept, delta=DELTA).epsilon == pytest.approx(epsilon_of(STEPS), rel=1e-9)


def test_an_image_level_run_counts_what_it_is_worth_to_the_patient_with_most_images(installation, cohort, begin):
    begin(0, unit=PrivacyUnit.IMAGE)  # two images a patient
    total = installation.ledger.total(cohort, delta=DELTA)
    assert total.epsilon == pytest.approx(gaussian_epsilon(2 * math.sqrt(STEPS) / NOISE, DELTA), rel=1e-9)
    assert total.n_image_level == 1 and "protects one image" in total_sentence(total)


def test_models_without_privacy_are_entries_of_their_own_kind(installation, cohort, begin):
    begin(0, private=False)
    total = installation.ledger.total(cohort, delta=DELTA)
    assert (total.epsilon, total.n_draws, total.n_non_private) == (0.0, 0, 1)
    assert total_sentence(total) == (
        f"{NOTHING_SPENT} 1 training without privacy on them has no privacy guarantee; internal comparison only."
    )
    assert "no bound" in total_in_short(total)


def test_the_sentence_says_delta_unit_accountant_and_relation(installation, cohort, begin):
    begin(0)
    begin(1, end=None)
    said = total_sentence(installation.ledger.total(cohort, delta=1.4e-5))
    for part in ("2 private trainings, 1 of them queued or under way", "δ = 1.4e-05", "patient", "exact composition", "neighbours"):
        assert part in said


def draw_from(mechanism, patients, number):
    return Draw(
        draw=f"d{number}",
        run_id=f"r{number}",
        patients=patients,
        private=True,
        mechanism=mechanism,
        squared_mu=squared_mu(mechanism),
        delta0=delta0_of(mechanism),
        is_open=False,
        is_fresh=True,
        seq=number,
        unit=PrivacyUnit.PATIENT,
        recipe="paper",
    )


class Ledgerless(Book):
    """A book of draws that no entries were written for."""

    def __init__(self, draws, sets):
        super().__init__((), sets)
        self.__dict__["draws"] = draws


def by_dp_accounting(mechanisms, interval):
    """Epsilon by dp-accounting, one mechanism after another, on a grid of its privacy losses."""
    accountant = PLDAccountant(dp_accounting.NeighboringRelation.ADD_OR_REMOVE_ONE, value_discretization_interval=interval)
    for mechanism in mechanisms:
        step = dp_accounting.GaussianDpEvent(mechanism.noise_multiplier)
        if mechanism.sample_rate < 1:
            step = dp_accounting.PoissonSampledDpEvent(mechanism.sample_rate, step)
        accountant.compose(dp_accounting.SelfComposedDpEvent(step, mechanism.steps))
    return accountant.get_epsilon(DELTA)


def test_sampled_steps_compose_as_dp_accounting_composes_them():
    mechanisms = [Mechanism(2.0, 0.1, 100), Mechanism(8.0, 1.0, 30), Mechanism(2.0, 0.1, 50), Mechanism(3.0, 0.2, 40)]
    book = Ledgerless([draw_from(m, "s", i) for i, m in enumerate(mechanisms)], {"s": PatientSet(("a", "b"))})
    total = totals(book, delta=DELTA)
    coarse = by_dp_accounting(mechanisms, 20 * COMPOSED_INTERVAL)
    assert total.epsilon == pytest.approx(by_dp_accounting(mechanisms, COMPOSED_INTERVAL * max(1.0, coarse)), abs=1e-6)
    # On a finer grid the library's upper bound comes down a little; ours stays above it.
    assert by_dp_accounting(mechanisms, 5e-4) <= total.epsilon * (1 + 1e-9)


def test_the_largest_total_is_found_where_prices_and_privacy_losses_disagree():
    sets = {"a": PatientSet(("p",)), "b": PatientSet(("q",))}
    # The dominating Gaussian of the sampled steps costs more than that of the full batch, but its privacy loss distribution is smaller.
    sampled = Mechanism(0.6, 0.05, 300)
    price = squared_mu(sampled)
    full = Mechanism(1 / math.sqrt(price * 0.98), 1.0, 1)
    book = Ledgerless([draw_from(sampled, "a", 0), draw_from(full, "b", 1)], sets)
    assert totals(book, delta=DELTA).epsilon == pytest.approx(gaussian_epsilon(math.sqrt(price * 0.98), DELTA), rel=1e-9)


def test_a_hash_of_what_was_written_is_the_patient_that_another_cohort_knows_it_as():
    old, new = PatientSet(("as-written",)), PatientSet.of(["as-written"], {"as-written": "the-person"})
    one = Mechanism(NOISE, 1.0, STEPS)
    book = Ledgerless([draw_from(one, "old", 0), draw_from(one, "new", 1)], {"old": old, "new": new})
    total = totals(book, delta=DELTA)
    assert (total.n_patients, total.epsilon) == (1, pytest.approx(epsilon_of(2 * STEPS), rel=1e-9))


def test_a_run_of_patients_that_nobody_knows_counts_for_everybody():
    one = Mechanism(NOISE, 1.0, STEPS)
    book = Ledgerless([draw_from(one, "", 0), draw_from(one, "a", 1)], {"a": PatientSet(("p", "q"))})
    total = totals(book, delta=DELTA, only=PatientSet(("p", "z")))
    assert total.epsilon == pytest.approx(epsilon_of(2 * STEPS), rel=1e-9)
    assert (total.n_patients, total.n_of_unknown_patients) == (2, 1)
    assert total.median <= total.epsilon
    assert "counted for every patient" in total_sentence(total)


def test_runs_of_other_patients_do_not_count(installation, cohort, begin, version):
    strangers = version("strangers", slice(None), patient_ids=lambda ids: "x" + ids)
    begin(0)
    total = installation.ledger.total(strangers, delta=DELTA)
    assert (total.epsilon, total.n_draws) == (0.0, 0)


def test_planning_for_nobody_costs_nothing(installation, cohort):
    spec = RunSpec(cohort.fingerprint, 0, "probe", 3, PrivacyUnit.PATIENT, None, 0)
    assert installation.ledger.total(cohort, delta=DELTA, planned=[spec]).epsilon == 0.0
