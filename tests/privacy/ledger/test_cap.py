"""The cap: nothing is trained past it, whatever asks at once, and the refusal says what would fit."""

import math
import os
from dataclasses import replace

import pytest

from dpmed_core.errors import DpmedError, LedgerError
from dpmed_core.installation import Installation
from dpmed_core.privacy.ledger.book import PLANNED
from dpmed_core.privacy.ledger.cap import cap_sentence
from dpmed_core.runs.status import RunState
from dpmed_core.settings import Settings
from dpmed_core.training.accounting.gaussian_dp import gaussian_mu
from dpmed_core.training.spec import PrivacyTarget, RunSpec
from tests.privacy.ledger.conftest import guarantee, processes

DELTA = 1e-5
PROCESSES = int(os.environ.get("DPMED_CAP_PROCESSES", "4"))


@pytest.fixture
def capped(installation):
    installation.ledger.set_cap(epsilon=8.0, delta=DELTA, name="Officer", reason="a test")
    return installation.ledger


def asking(spec, *epsilons):
    return [replace(spec, privacy=PrivacyTarget(epsilon, DELTA), seed=seed) for seed, epsilon in enumerate(epsilons)]


def test_a_run_of_exactly_the_cap_fits_and_nothing_more(capped, cohort, spec):
    capped.ask(cohort, asking(spec, 8.0))
    with pytest.raises(LedgerError, match="Nothing more fits"):
        capped.ask(cohort, [replace(spec, privacy=PrivacyTarget(0.1, DELTA))])


def test_the_refusal_says_what_would_fit_and_that_fits(capped, cohort, spec):
    capped.ask(cohort, asking(spec, 5.0))
    with pytest.raises(LedgerError, match="past the cap of ε = 8; so far it is up to ε = 5") as refused:
        capped.ask(cohort, [replace(spec, privacy=PrivacyTarget(7.0, DELTA))])
    fits = float(str(refused.value).split("one model of ε up to ")[1].split(" ")[0])
    assert (
        gaussian_mu(PrivacyTarget(fits, DELTA)) ** 2 + gaussian_mu(PrivacyTarget(5.0, DELTA)) ** 2
        <= gaussian_mu(PrivacyTarget(8.0, DELTA)) ** 2
    )
    capped.ask(cohort, [replace(spec, privacy=PrivacyTarget(fits, DELTA))])


def test_a_grid_is_queued_as_a_whole_or_not_at_all(capped, cohort, spec, installation):
    with pytest.raises(LedgerError, match="3 private models were not trained"):
        capped.ask(cohort, asking(spec, 1.0, 5.0, 8.0))
    assert installation.runs.statuses() == [] and len(capped.chain.entries()) == 1


def test_a_model_without_privacy_is_not_held_back_by_the_cap(capped, cohort, spec):
    capped.ask(cohort, asking(spec, 8.0))
    capped.ask(cohort, [replace(spec, privacy=None)])


def test_what_was_not_taken_is_given_back(capped, cohort, begin):
    # Steps with a squared mu of 1 / noise^2 each; the cap allows gaussian_mu(8)^2.
    whole = guarantee(steps=20, noise=math.sqrt(20) / gaussian_mu(PrivacyTarget(8.0, DELTA)))
    capped.set_cap(epsilon=12.0, delta=DELTA, name="Officer", reason="room for the reservation of a queued run")
    begin(0, end=2, planned=whole)
    capped.set_cap(epsilon=9.0, delta=DELTA, name="Officer", reason="less")
    begin(1, end=20, planned=whole)


def test_an_attempt_is_refused_before_its_first_step(capped, cohort, spec, begin, installation):
    status = capped.ask(cohort, asking(spec, 8.0))[0]
    with pytest.raises(LedgerError):  # more than it was asked for with
        capped.begin(status, guarantee(noise=1.0), total_steps=20, resumed=0)
    assert PLANNED not in [entry.kind for entry in capped.chain.entries()]


def test_other_versions_of_the_same_patients_are_under_the_same_cap(capped, cohort, spec, version):
    capped.ask(cohort, asking(spec, 8.0))
    newer = version("newer", slice(0, -1))
    with pytest.raises(LedgerError, match="patients would reach"):
        capped.ask(newer, [replace(asking(spec, 1.0)[0], cohort_fingerprint=newer.fingerprint)])
    strangers = version("strangers", slice(None), patient_ids=lambda ids: "x" + ids)
    capped.ask(strangers, [replace(asking(spec, 8.0)[0], cohort_fingerprint=strangers.fingerprint)])


def test_a_lifted_cap_no_longer_holds(capped, cohort, spec):
    capped.set_cap(epsilon=None, delta=DELTA, name="Officer", reason="a test")
    capped.ask(cohort, asking(spec, 8.0, 8.0))
    assert capped.book().cap is None


def test_patients_above_a_new_cap_are_counted(installation, cohort, spec):
    ledger = installation.ledger
    ledger.ask(cohort, asking(spec, 5.0))
    assert ledger.total(cohort, delta=DELTA).n_above_cap == 0
    ledger.set_cap(epsilon=1.0, delta=DELTA, name="Officer", reason="too late")
    total = ledger.total(cohort, delta=DELTA)
    assert total.n_above_cap == total.n_patients > 0


def ask_and_begin(settings: Settings, seed: int, fingerprint: str, name: str) -> bool:
    """Ask for a run at epsilon 4 and begin it; whether the ledger let it."""
    installation = Installation.open(settings)
    spec = RunSpec(fingerprint, 0, "probe", 3, guarantee().unit, PrivacyTarget(4.0, DELTA), seed)
    try:
        status = installation.ledger.ask(installation.cohorts.load(name), [spec])[0]
        noise = math.sqrt(20) / gaussian_mu(PrivacyTarget(4.0, DELTA))
        draw = installation.ledger.begin(status, guarantee(noise=noise), total_steps=20, resumed=0)
    except DpmedError:
        return False
    installation.runs.record(status.run_id, "planned", draw=draw, guarantee=vars(guarantee(noise=noise)) | {"unit": "patient"})
    installation.runs.record(status.run_id, "finished", steps=20)
    installation.ledger.settle(status.run_id)
    return installation.runs.status(status.run_id).state is RunState.QUEUED


def test_many_that_ask_at_once_never_pass_the_cap(capped, cohort, settings):
    fits = int((gaussian_mu(PrivacyTarget(8.0, DELTA)) / gaussian_mu(PrivacyTarget(4.0, DELTA))) ** 2)
    with processes(PROCESSES) as pool:
        asked = [pool.submit(ask_and_begin, settings, seed, cohort.fingerprint, cohort.name) for seed in range(max(PROCESSES, fits + 4))]
        allowed = [future.result() for future in asked]
    total = capped.total(cohort, delta=DELTA)
    assert sum(allowed) == fits == total.n_draws
    assert total.epsilon <= 8.0 and total.n_above_cap == 0


def test_the_sentence_of_a_cap_claims_nothing_about_what_was_spent_before_it(installation, cohort, spec):
    installation.ledger.ask(cohort, asking(spec, 5.0))
    installation.ledger.set_cap(epsilon=1.0, delta=DELTA, name="Officer", reason="too late")
    assert installation.ledger.total(cohort).n_above_cap > 0
    assert cap_sentence(installation.ledger.book().cap).startswith(
        "Cap: no further private model is trained that would carry a patient past"
    )
