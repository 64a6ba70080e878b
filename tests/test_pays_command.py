"""`pays`: rows of the contract for groups and findings, recorded in the ledger, refused where exposure is."""

import json
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from dpmed_core import protection
from dpmed_core.cohort.report import ImportReport
from dpmed_core.cohort.schema import Part
from dpmed_core.cohort.split import assign_parts
from dpmed_core.commands.pays import pays
from dpmed_core.errors import SettingsError, SpecError
from dpmed_core.installation import Installation
from dpmed_core.privacy.ledger.book import MEASURED
from dpmed_core.runs.plan import plan_runs
from dpmed_core.runs.status import Progress, RunState
from dpmed_core.settings import Settings
from dpmed_core.training.recipes.train_probe import plan_probe
from dpmed_core.training.result import RunResult, TrainedModel
from dpmed_core.training.scores import held_out_rows, scores_table
from dpmed_core.training.spec import PrivacyUnit
from tests.small_runs import make_cohort

CONTRACT = {"attribute", "group", "n_patients", "auroc_lost", "lost_low", "lost_high", "verdict"}
CONTRACT |= {"exposure_removed", "removed_low", "removed_high"}


@pytest.fixture
def settings(data_dir):
    return Settings(data_dir=data_dir, workers=1, show_exposure=True)


@pytest.fixture
def installation(settings):
    return Installation.open(settings)


@pytest.fixture
def cohort(installation):
    """Twenty patients to train, ten to test, by the cohort's own split; half of them have the finding, and half of each are women."""
    whole, number = make_cohort(installation), np.arange(64)
    half = {"mass": (number // 2 % 2).astype(float), "sex": np.where(number // 4 % 2, "female", "male")}
    parts = np.repeat([Part.TRAIN.value, Part.VALIDATION.value, Part.TEST.value], [40, 4, 20])
    return installation.cohorts.write(
        "halves",
        modality=whole.modality,
        synthetic=False,
        findings=whole.findings,
        comorbidities=(),
        cases=whole.cases.assign(split=parts, **half),
        images=whole.images,
        report=ImportReport(64, 64, 64, 0, 0),
    )


@pytest.fixture
def trained(installation, cohort):
    """A private model and its reference, twice, whose scores come from the labels; the private ones know less."""
    split = assign_parts(cohort, seed=0, key=installation.key)
    rows, n = held_out_rows(split), int((split.parts == Part.TRAIN.value).sum()) // 2
    specs = plan_runs(cohort, key=installation.key, recipe="probe", epsilons=[1.0], n_seeds=2, delta=None, unit=PrivacyUnit.PATIENT)
    installation.ledger.ask(cohort, specs)
    for number, spec in enumerate(specs):
        blur = np.random.default_rng(number).random((len(rows), 1))
        scores = scores_table(cohort, split, (0.1 if spec.privacy else 0.5) * cohort.labels[rows] + 0.5 * blur)
        guarantee = plan_probe(spec, n_units=n, n_findings=1).guarantee
        result = RunResult(spec, guarantee, elapsed_seconds=1.0, n_parameters=8, n_train_cases=n, n_train_units=n)
        run_id = installation.runs.run_id(spec)
        installation.runs.finish(run_id, TrainedModel(result, scores, {"weights": np.zeros((2, 4))}))
        installation.runs.set_progress(run_id, replace(Progress(RunState.FINISHED), step=40, total_steps=40, attempt=1))
    return specs


@pytest.fixture
def call(installation, monkeypatch):
    """Runs the command on features of no meaning, which no encoder has to compute."""
    features = np.random.default_rng(0).standard_normal((64, 352)).astype(np.float32)
    monkeypatch.setattr(Installation, "open", lambda: installation)
    monkeypatch.setattr(protection, "public_features", lambda *_, **__: features)
    return lambda *words: CliRunner().invoke(pays, words)


def test_json_has_the_contracts_rows_and_a_sentence_and_no_patient(call, cohort, trained, installation):
    done = call("--cohort", cohort.name, "--epsilon", "1", "--json")
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert all(row.keys() >= CONTRACT for row in said["rows"])
    rows = {(row["attribute"], row["group"]): row for row in said["rows"]}
    assert {("all", "all"), ("sex", "female"), ("finding", "mass")} <= rows.keys()
    finding = rows["finding", "mass"]
    assert finding["lost_low"] <= finding["auroc_lost"] <= finding["lost_high"] and finding["auroc_lost"] > 0
    assert 0 < finding["removed_low"] < finding["exposure_removed"] < finding["removed_high"]
    assert all(row["delta"] == 1e-5 and row["unit"] == "patient" and row["accountant"] == "analytic-gaussian" for row in said["rows"])
    assert said["sentence"].startswith("At ε = 1 and δ = 1e-05 for each patient (analytic-gaussian accountant), ")
    assert not any(one in done.output for one in set(cohort.cases["patient_id"]) | set(cohort.cases["case_id"]))
    entries, _ = installation.ledger.chain.of_kinds(MEASURED)
    assert [entry.body["trainings"] for entry in entries] == [400]


def test_it_is_printed_for_people(call, cohort, trained):
    done = call("--cohort", cohort.name, "--epsilon", "1")
    assert done.exit_code == 0 and "exposure removed" in done.stdout and "The attack's mean AUC is shown to fall in" in done.stdout
    assert "not for release" in done.stderr


def test_what_is_not_trained_is_refused_before_anything_is_measured(call, cohort, trained, installation):
    for words in (("--epsilon", "3"), ("--epsilon", "1", "--unit", "image")):
        done = call("--cohort", cohort.name, *words)
        assert isinstance(done.exception, SpecError) and "train both" in str(done.exception)
    done = call("--cohort", cohort.name, "--epsilon", "1", "--recipe", "paper")
    assert isinstance(done.exception, SpecError) and "use recipe probe" in str(done.exception)
    assert installation.ledger.chain.of_kinds(MEASURED)[0] == []


def test_a_cohort_without_models_is_refused(call, installation):
    make_cohort(installation, "other", seed=1)
    done = call("--cohort", "other", "--epsilon", "1")
    assert isinstance(done.exception, SpecError) and "train both" in str(done.exception)


def test_real_patients_need_the_installations_consent(call, cohort, installation, monkeypatch):
    closed = replace(installation, settings=installation.settings.model_copy(update={"show_exposure": False}))
    monkeypatch.setattr(Installation, "open", lambda: closed)
    done = call("--cohort", cohort.name, "--epsilon", "1")
    assert isinstance(done.exception, SettingsError) and "DPMED_SHOW_EXPOSURE" in str(done.exception)


def test_what_was_measured_before_is_not_measured_again(call, cohort, trained, installation):
    arms = protection.arms_of(installation, cohort, recipe="probe", epsilons=[1.0, 8.0], unit=PrivacyUnit.PATIENT)
    protection.measure_exposure(installation, cohort, arms)
    first, second = (call("--cohort", cohort.name, "--epsilon", "1", "--json") for _ in range(2))
    assert first.exit_code == 0 and first.stdout == second.stdout
    assert [entry.body["trainings"] for entry in installation.ledger.chain.of_kinds(MEASURED)[0]] == [600]
    more = call("--cohort", cohort.name, "--epsilon", "1", "--trainings", "250")
    assert more.exit_code == 0 and len(installation.ledger.chain.of_kinds(MEASURED)[0]) == 2
    assert len(protection.stored_exposure(installation, cohort).rows) == 3  # what is kept has more budgets
