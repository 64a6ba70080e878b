"""What leaves the house: what it is charged, what is refused, what goes with it."""

import json
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load

from dpmed_core.engine.training_task import work_on
from dpmed_core.errors import LedgerError
from dpmed_core.privacy.ledger.release import charge_of, register, release_figure, release_run
from dpmed_core.training.accounting.gaussian_dp import gaussian_epsilon
from dpmed_core.training.spec import PrivacyTarget
from tests.privacy.ledger.conftest import NOISE, STEPS, guarantee

DELTA = 1e-5
BY = {"name": "Officer", "reason": "to the clinic"}


@pytest.fixture
def trained(installation, cohort, spec, trainer, monkeypatch):
    """Trains a run with a seed, privately or not, and gives its run_id."""

    def train(seed=0, *, private=True):
        one = replace(spec, seed=seed, privacy=spec.privacy if private else None)
        status = installation.ledger.ask(cohort, [one])[0]
        will = guarantee() if private else None

        def steered(here, status, session):
            session.plan(will, STEPS)
            model = trainer(here, status, Muted(session))
            return replace(model, result=replace(model.result, guarantee=will))

        work_on(installation.settings, status.run_id, trainer=steered)
        return status.run_id

    return train


class Muted:
    """A session that has planned already."""

    def __init__(self, session):
        self.step, self.save, self.latest = session.step, session.save, session.latest

    def plan(self, *_):
        """Planned before."""


def epsilon_of(n_draws):
    return gaussian_epsilon((n_draws * STEPS) ** 0.5 / NOISE, DELTA)


def test_a_model_chosen_after_looking_is_charged_for_all_it_was_chosen_from(installation, trained):
    chosen, _, _ = trained(0), trained(1), trained(2)
    charge = charge_of(installation.ledger.book(), chosen)
    assert (charge.n_draws, charge.registered) == (3, False)
    assert charge.epsilon == pytest.approx(epsilon_of(3), rel=1e-9)
    assert "charged for 3 private trainings" in charge.sentence() and "without privacy" not in charge.sentence()
    trained(3, private=False)
    assert "A model without privacy that was looked at beside it has no bound" in charge_of(installation.ledger.book(), chosen).sentence()


def test_an_announced_release_is_charged_for_itself(installation, cohort, spec, trained):
    register(installation.ledger, cohort, spec, **BY)
    announced, _ = trained(0), trained(1)
    charge = charge_of(installation.ledger.book(), announced)
    assert (charge.n_draws, charge.registered, charge.epsilon) == (1, True, pytest.approx(epsilon_of(1), rel=1e-9))
    assert "charged for itself" in charge.sentence()


def test_nothing_can_be_announced_after_a_training_on_the_same_patients(installation, cohort, spec, trained, version):
    trained(1)
    for data in (cohort, version("newer", slice(0, -1))):
        with pytest.raises(LedgerError, match="began before"):
            register(installation.ledger, data, replace(spec, cohort_fingerprint=data.fingerprint), **BY)
    with pytest.raises(LedgerError, match="no bound"):
        register(installation.ledger, cohort, replace(spec, privacy=None), **BY)


def test_a_release_hands_out_weights_and_guarantee_and_is_recorded(installation, trained):
    run_id = trained(0)
    released = release_run(installation.ledger, run_id, **BY)
    files = released.files
    np.testing.assert_array_equal(load(files["weights.safetensors"])["w"], installation.runs.weights(run_id)["w"])
    entry = installation.ledger.chain.head()
    assert (
        entry.kind == "released" and entry.body["name"] == "Officer" and entry.body["weights"] == installation.runs.weights_digest(run_id)
    )
    facts = json.loads(files["guarantee.json"])
    assert facts["ledger_seal"] == entry.digest and "ε = " in facts["this_model_alone"] and "n_train_cases" not in str(facts)
    assert (released.seal, released.at) == (entry.digest, entry.at) and released.charge.epsilon == entry.body["epsilon"]
    assert "scores.csv" not in files and "scores.csv" in release_run(installation.ledger, run_id, scores=True, **BY).files


def test_releases_past_the_cap_are_refused_and_releases_add_up(installation, cohort, spec, trained, tmp_path):
    register(installation.ledger, cohort, spec, **BY)
    announced, other = trained(0), trained(1)
    one, both = epsilon_of(1), epsilon_of(2)
    installation.ledger.set_cap(epsilon=(one + both) / 2, delta=DELTA, **BY)
    release_run(installation.ledger, announced, **BY)
    with pytest.raises(LedgerError, match="past the cap"):
        release_run(installation.ledger, other, **BY)
    figure = tmp_path / "figure.png"
    figure.write_bytes(b"picture")
    with pytest.raises(LedgerError, match="past the cap"):
        release_figure(installation.ledger, figure, cohort, **BY)
    installation.ledger.set_cap(epsilon=both * 1.01, delta=DELTA, **BY)
    release_run(installation.ledger, other, **BY)  # both draws were charged, each once


def test_what_has_no_guarantee_leaves_only_where_somebody_says_so(installation, cohort, trained, tmp_path):
    run_id = trained(0, private=False)
    with pytest.raises(LedgerError, match="no privacy guarantee"):
        release_run(installation.ledger, run_id, **BY)
    files = release_run(installation.ledger, run_id, without_guarantee=True, **BY).files
    assert "No bound holds" in json.loads(files["guarantee.json"])["this_release"]
    figure = tmp_path / "figure.png"
    figure.write_bytes(b"picture")
    with pytest.raises(LedgerError, match="no privacy guarantee"):
        release_figure(installation.ledger, figure, cohort, **BY)
    release_figure(installation.ledger, figure, cohort, without_guarantee=True, **BY)
    installation.ledger.set_cap(epsilon=8.0, delta=DELTA, **BY)
    with pytest.raises(LedgerError, match="cannot be released"):
        release_run(installation.ledger, run_id, without_guarantee=True, **BY)


def test_only_a_finished_run_is_released(installation, cohort, spec):
    status = installation.ledger.ask(cohort, [replace(spec, privacy=PrivacyTarget(1.0, DELTA))])[0]
    with pytest.raises(LedgerError, match="is queued"):
        release_run(installation.ledger, status.run_id, **BY)
    with pytest.raises(LedgerError, match="knows no training"):
        charge_of(installation.ledger.book(), status.run_id)
