"""`returning`: refused without an order of studies or without permission, recorded in the ledger, and silent about single patients."""

import json
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from dpmed_core import protection
from dpmed_core.cohort.report import ImportReport
from dpmed_core.commands.returning import returning
from dpmed_core.errors import CohortError, SettingsError, SpecError
from dpmed_core.installation import Installation
from dpmed_core.privacy.ledger.book import MEASURED
from dpmed_core.privacy.ledger.check import check_ledger
from dpmed_core.settings import Settings
from tests.small_runs import cohort, make_cohort

__all__ = ["cohort"]

CONTRACT = {"epsilon", "delta", "unit", "n_patients", "n_images", "n_trainings", "shifted", "largest_shift", "control_shifted"} | {
    *("new_disease_images", "new_sensitivity_in", "new_sensitivity_out", "difference", "low", "high", "accountant")
}


@pytest.fixture
def settings(data_dir):
    return Settings(data_dir=data_dir, workers=1, show_exposure=True)


@pytest.fixture
def installation(settings):
    return Installation.open(settings)


@pytest.fixture
def ordered(installation, cohort):
    """The same cohort with an order: each patient's second image is the later one, and resembles the first."""
    facts = {"modality": cohort.modality, "synthetic": False, "findings": cohort.findings, "comorbidities": ()}
    cases = cohort.cases.assign(study_order=np.tile([1, 2], 32))
    made = installation.cohorts.write("ordered", cases=cases, images=cohort.images, report=ImportReport(64, 64, 32, 0, 0), **facts)
    assert made.fingerprint == cohort.fingerprint
    return made


@pytest.fixture
def call(installation, monkeypatch):
    """Runs the command on features that patients alone share, which no encoder has to compute."""
    rng = np.random.default_rng(0)
    features = np.repeat(rng.standard_normal((32, 352)), 2, axis=0) + 0.3 * rng.standard_normal((64, 352))
    monkeypatch.setattr(Installation, "open", lambda: installation)
    monkeypatch.setattr(protection, "public_features", lambda *_, **__: features.astype(np.float32))
    return lambda *words: CliRunner().invoke(returning, words)


def test_json_has_the_contracts_rows_and_no_patient(call, ordered):
    done = call("--cohort", ordered.name, "--epsilons", "0.1", "--unit", "patient", "--json")
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)
    assert [(row["epsilon"], row["unit"], row["accountant"]) for row in rows] == [
        (None, "patient", None),
        (0.1, "patient", "analytic-gaussian"),
    ]
    assert all(row.keys() >= CONTRACT and row["n_trainings"] == 200 for row in rows)
    assert rows[0]["shifted"] > 0.8 * rows[0]["n_images"] and rows[0]["n_images"] == rows[0]["n_patients"] == rows[0]["n_returning"]
    assert max(rows[1]["shifted"], rows[1]["control_shifted"]) <= 2  # one in twenty measurements finds something by chance
    assert not any(one in done.output for one in {*ordered.cases["patient_id"], *ordered.cases["case_id"]})


def test_the_ledger_counts_the_trainings_as_use_without_privacy(call, ordered, installation):
    call("--cohort", ordered.name, "--epsilons", "1", "--unit", "patient")
    entry = installation.ledger.chain.entries()[-1]
    assert entry.kind == MEASURED and entry.body["trainings"] == 400 and entry.body["epsilons"] == [1.0]
    assert installation.ledger.total(ordered).n_measuring == 400
    assert not check_ledger(installation.ledger).problems


def test_a_cohort_without_order_is_refused_in_one_sentence_that_names_the_column(call, cohort, installation, monkeypatch):
    monkeypatch.setattr(protection, "public_features", lambda *_, **__: pytest.fail("features are computed for nothing"))
    refused = call("--cohort", cohort.name, "--epsilons", "1").exception
    assert isinstance(refused, SpecError) and "column study_order" in str(refused) and "\n" not in str(refused)
    assert installation.ledger.total(cohort).n_measuring == 0


def test_too_few_returning_patients_are_refused(call, ordered, installation):
    facts = {"modality": ordered.modality, "synthetic": False, "findings": ordered.findings, "comorbidities": ()}
    cases = ordered.cases.assign(study_order=np.r_[np.tile([1, 2], 5), np.ones(54, int)])
    few = installation.cohorts.write("few", cases=cases, images=ordered.images, report=ImportReport(64, 64, 32, 0, 0), **facts)
    refused = call("--cohort", few.name, "--epsilons", "1").exception
    assert isinstance(refused, SpecError) and "10 or more are needed" in str(refused)
    assert installation.ledger.total(few).n_measuring == 0


def test_real_patients_are_refused_unless_the_installation_allows_it(data_dir, monkeypatch):
    closed = Installation.open(Settings(data_dir=data_dir, workers=1))
    made = make_cohort(closed)
    monkeypatch.setattr(Installation, "open", lambda: closed)
    refused = CliRunner().invoke(returning, ["--cohort", made.name, "--epsilons", "1"]).exception
    assert isinstance(refused, SettingsError) and "DPMED_SHOW_EXPOSURE=1" in str(refused) and "\n" not in str(refused)
    assert closed.ledger.total(made).n_measuring == 0


def test_other_recipes_are_refused(call, ordered):
    refused = call("--cohort", ordered.name, "--epsilons", "1", "--recipe", "paper").exception
    assert isinstance(refused, SpecError) and "hundreds of trainings" in str(refused)


def test_words_state_the_whole_guarantee_and_that_an_images_is_no_patients(call, ordered):
    printed = call("--cohort", ordered.name, "--epsilons", "8").stdout
    assert "ε = 8 at δ = 1e-05 for each image (analytic-gaussian accountant, zero-out neighbours): " in printed
    assert "does not hold for a patient with several" in printed
    assert "later images shift" in printed and "by chance" in printed


def test_the_last_rows_are_kept_for_these_data_in_this_order_and_damage_is_named(call, ordered, installation):
    rows = json.loads(call("--cohort", ordered.name, "--epsilons", "1", "--unit", "patient", "--json").stdout)
    assert [row.to_fields() for row in protection.stored_returning(installation, ordered)] == rows
    backwards = replace(ordered, cases=ordered.cases.assign(study_order=np.tile([2, 1], 32)))
    with pytest.raises(CohortError, match="another's"):
        protection.stored_returning(installation, backwards)
    kept = installation.cohorts.protection_dir(ordered.name) / protection.RETURNING_FILE
    assert not any(one in kept.read_text() for one in {*ordered.cases["patient_id"], *ordered.cases["case_id"]})
    kept.write_text(kept.read_text()[:-9])
    with pytest.raises(CohortError, match="Measure it again"):
        protection.check_measurements(installation, ordered.name)
