"""`exposure`: refused for real patients without the setting, recorded in the ledger, and silent about single patients."""

import json
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from dpmed_core import protection, public_starts
from dpmed_core.cohort.report import ImportReport
from dpmed_core.commands.exposure import exposure
from dpmed_core.commands.ledger import ledger
from dpmed_core.errors import SettingsError, SpecError
from dpmed_core.installation import Installation
from dpmed_core.privacy.exposure import shadow_trainings
from dpmed_core.privacy.exposure.aggregates import aggregates
from dpmed_core.privacy.exposure.measurement import FILE
from dpmed_core.privacy.exposure.permission import require_permission
from dpmed_core.privacy.ledger.book import MEASURED
from dpmed_core.privacy.ledger.check import check_ledger
from dpmed_core.privacy.ledger.patients import all_patients
from dpmed_core.protection import check_measurements, stored_exposure
from dpmed_core.settings import Settings
from tests.small_runs import cohort, make_cohort, other_patients

__all__ = ["cohort", "other_patients"]

CONTRACT = {"epsilon", "unit", "n_patients", "median_auc", "worst_auc", "flagged", "bound", "groups"}


@pytest.fixture
def settings(data_dir):
    return Settings(data_dir=data_dir, workers=1, show_exposure=True)


@pytest.fixture
def installation(settings):
    return Installation.open(settings)


@pytest.fixture
def call(installation, monkeypatch):
    """Runs the command on features of no meaning, which no encoder has to compute."""
    features = np.random.default_rng(0).standard_normal((64, 352)).astype(np.float32)
    monkeypatch.setattr(Installation, "open", lambda: installation)
    monkeypatch.setattr(protection, "public_features", lambda *_, **__: features)
    return lambda *words: CliRunner().invoke(exposure, words)


@pytest.fixture
def start(other_patients, installation, monkeypatch):
    """A public start of other patients."""
    make_cohort(installation, "elsewhere", seed=1)
    features = np.random.default_rng(1).standard_normal((64, 352)).astype(np.float32)
    monkeypatch.setattr(public_starts, "public_features", lambda *_, **__: features)
    public_starts.make_start(installation, "elsewhere", "public-one", source="a public set", licence="CC0")
    return "public-one"


def everything_in(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"}


def test_json_has_the_contracts_rows_and_no_patient(call, cohort, installation):
    done = call("--cohort", cohort.name, "--epsilons", "1,8", "--unit", "patient", "--json")
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)
    assert [(row["epsilon"], row["unit"]) for row in rows] == [(None, "patient"), (1.0, "patient"), (8.0, "patient")]
    assert all(row.keys() >= CONTRACT for row in rows) and rows[0]["bound"] is None and round(rows[1]["bound"], 3) == 0.575
    assert rows[0]["median_auc"] > rows[1]["median_auc"] and rows[1]["n_above_bound"] == 0
    assert {group["attribute"] for group in rows[0]["groups"]} >= {"sex", "mass", "images"}
    patients = set(cohort.cases["patient_id"]) | set(cohort.cases["case_id"])
    assert not any(one in done.output for one in patients)


def test_nothing_but_the_ledgers_entry_and_the_measurement_is_kept_and_no_identifier(call, cohort, installation):
    installation.ledger.total(cohort)  # opens the database
    before = everything_in(installation.settings.data_dir)
    assert call("--cohort", cohort.name, "--epsilons", "1", "--unit", "patient").exit_code == 0
    after = everything_in(installation.settings.data_dir)
    kept = installation.cohorts.protection_dir(cohort.name) / FILE
    changed = {path.name for path in after if before.get(path) != after[path]}
    assert all(name.startswith(("dpmed.db", "ledger")) or name == FILE for name in changed), changed
    assert not any(one in kept.read_text() for one in {*cohort.cases["patient_id"], *cohort.cases["case_id"]})
    found = stored_exposure(installation, cohort)
    assert [(row.epsilon, row.unit) for row in found.rows] == [(None, "patient"), (1.0, "patient")] and found.aucs.shape[0] == 2


def test_the_ledger_counts_the_trainings_as_use_without_privacy(call, cohort, installation):
    other = make_cohort(installation, "others", seed=1)
    call("--cohort", cohort.name, "--epsilons", "1", "--unit", "patient")
    entry = installation.ledger.chain.entries()[-1]
    assert entry.kind == MEASURED and entry.body["trainings"] == 400 and entry.body["epsilons"] == [1.0]
    total = installation.ledger.total(cohort)
    assert total.n_measuring == 400 and total.n_draws == 0 and total.epsilon == 0
    assert not check_ledger(installation.ledger).problems
    # The patients of the other cohort have the same identifiers in this test, and so are the same persons.
    assert installation.ledger.total(other).n_measuring == 400
    printed = CliRunner().invoke(ledger, ["show", "--cohort", cohort.name])
    assert (
        "400 shadow trainings measured how exposed they are" in printed.stdout
        and "measured   probe, 400 shadow trainings" in printed.stdout
    )


def test_patients_elsewhere_are_not_counted(call, cohort, installation):
    call("--cohort", cohort.name, "--epsilons", "1", "--unit", "patient")
    cases = cohort.cases.assign(patient_id=[f"{i // 2 + 1000:016x}" for i in range(64)])
    facts = {"modality": cohort.modality, "synthetic": False, "findings": cohort.findings, "comorbidities": ()}
    report = ImportReport(64, 64, 32, 0, 0)
    elsewhere = installation.cohorts.write("elsewhere", cases=cases, images=cohort.images, report=report, **facts)
    assert installation.ledger.total(elsewhere).n_measuring == 0 and installation.ledger.total(None).n_measuring == 400
    book = installation.ledger.book()
    assert not [e for e in book.touching(all_patients(installation.cohorts, elsewhere)) if e.kind == MEASURED]
    assert [e for e in book.touching(all_patients(installation.cohorts, cohort)) if e.kind == MEASURED]


def test_real_patients_are_refused_unless_the_installation_allows_it(data_dir, monkeypatch):
    closed = Installation.open(Settings(data_dir=data_dir, workers=1))
    made = make_cohort(closed)
    monkeypatch.setattr(Installation, "open", lambda: closed)
    refused = CliRunner().invoke(exposure, ["--cohort", made.name, "--epsilons", "1"]).exception
    assert isinstance(refused, SettingsError) and "DPMED_SHOW_EXPOSURE=1" in str(refused) and "\n" not in str(refused)
    assert closed.ledger.total(made).n_measuring == 0


def test_a_synthetic_cohort_needs_no_setting(cohort):
    require_permission(replace(cohort, synthetic=True), allowed=False)
    with pytest.raises(SettingsError):
        require_permission(cohort, allowed=False)


@pytest.mark.parametrize(("words", "said"), [(("--recipe", "paper"), "hundreds of trainings"), (("--epsilons", "x"), "not a number")])
def test_what_cannot_be_measured_is_refused_before_anything_is_recorded(call, cohort, installation, words, said):
    refused = call("--cohort", cohort.name, "--epsilons", "1", *words).exception
    assert isinstance(refused, SpecError) and said in str(refused)
    assert installation.ledger.total(cohort).n_measuring == 0


def test_fewer_than_200_trainings_are_refused(call, cohort):
    assert "200<=x<=10000" in call("--cohort", cohort.name, "--epsilons", "1", "--trainings", "50").output


def test_words_state_the_whole_guarantee_and_that_an_images_bound_is_no_patients(call, cohort):
    printed = call("--cohort", cohort.name, "--epsilons", "8").stdout
    assert "ε = 8 at δ = 1e-05 for each image (analytic-gaussian accountant, zero-out neighbours)" in printed
    assert "does not hold for a patient with several" in printed


def test_models_at_a_start_are_measured_by_trainings_that_begin_there_and_kept_apart(call, cohort, start, installation, monkeypatch):
    begun = []
    shadow = shadow_trainings.train_heads
    monkeypatch.setattr(shadow_trainings, "train_heads", lambda *args, **how: begun.append(how["start_weights"]) or shadow(*args, **how))
    words = ("--cohort", cohort.name, "--epsilons", "1", "--unit", "patient", "--json")
    done = call(*words, "--start", start)
    assert done.exit_code == 0, done.output
    assert [row["epsilon"] for row in json.loads(done.stdout)] == [None, 1.0]
    assert len(begun) == 400 and all(weights is not None and weights[0] > 0 for weights in begun)
    choice = public_starts.start_for(installation, cohort, start)
    assert stored_exposure(installation, cohort, choice).start == choice and stored_exposure(installation, cohort) is None
    assert json.loads((installation.cohorts.protection_dir(cohort.name) / "exposure-public-one.json").read_text())["start"]["name"] == start
    assert [entry.body.get("start") for entry in installation.ledger.chain.entries() if entry.kind == MEASURED] == [start]
    call(*words)
    assert begun[400:] == [None] * 400 and stored_exposure(installation, cohort).start is None
    assert set(aggregates(stored_exposure(installation, cohort, choice))["start"]) == {start}
    assert "start" not in aggregates(stored_exposure(installation, cohort)), "what was released before is as it was"
    assert stored_exposure(installation, cohort, replace(choice, digest="0" * 64)) is None, (
        "another start of the same name was not measured"
    )
    check_measurements(installation, cohort.name)
    refused = call(*words, "--start", "none-such")
    assert isinstance(refused.exception, SpecError) and "There is no start 'none-such'" in str(refused.exception)
    nothing = call("--cohort", cohort.name, "--epsilons", "0,1", "--start", start)
    assert isinstance(nothing.exception, SpecError) and "At ε = 0 nobody is trained on" in str(nothing.exception)
