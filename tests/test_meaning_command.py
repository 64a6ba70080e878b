"""`meaning`: the contract of its JSON, its words, and what it refuses."""

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from dpmed_core.commands.meaning import meaning
from dpmed_core.errors import SpecError
from dpmed_core.installation import Installation
from dpmed_core.runs.store import RunStore
from dpmed_core.training.accounting.full_batch import guarantee_full_batch
from dpmed_core.training.result import RunResult
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit
from tests.small_runs import cohort, installation, settings, spec

__all__ = ["cohort", "installation", "settings", "spec"]

CONTRACT = {"mu", "guess_right", "tpr_at_1pct", "tpr_at_01pct", "reconstruction", "curve"}


def call(*words):
    return CliRunner().invoke(meaning, words)


def test_json_has_the_contracts_keys():
    done = call("--epsilon", "1", "--delta", "1e-5", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found.keys() >= CONTRACT | {"epsilon", "delta", "unit", "accountant", "posterior"}
    assert round(found["guess_right"], 1) == 55.3
    assert all(one.keys() == {"prior", "at_most"} for one in found["reconstruction"])
    assert all(len(pair) == 2 for pair in found["curve"]) and found["curve"][0] == [0.0, 1.0]


def test_words_name_the_unit_and_the_whole_guarantee():
    done = call("--epsilon", "8", "--delta", "1e-5", "--unit", "image", "--images", "3")
    assert "Unit of privacy: one image" in done.stdout and "a patient with 3 images" in done.stdout
    assert "ε = 8 at δ = 1e-05 for each image (analytic-gaussian accountant, zero-out neighbours)" in done.stdout


def test_a_prior_of_ones_own_replaces_the_usual_ones():
    found = json.loads(call("--epsilon", "1", "--delta", "1e-5", "--prior", "0.2", "--json").stdout)
    assert [one["prior"] for one in found["reconstruction"]] == [0.2]


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--epsilon", "1"),
        ("--epsilon", "1", "--delta", "1e-5", "--run", "x"),
        ("--epsilon", "-1", "--delta", "1e-5"),
        ("--epsilon", "nan", "--delta", "1e-5"),
        ("--epsilon", "1", "--delta", "1e-5", "--images", "3"),
        ("--epsilon", "1", "--delta", "1e-5", "--prior", "2"),
    ],
)
def test_what_means_nothing_is_refused_in_one_sentence(words):
    refused = call(*words).exception
    assert isinstance(refused, SpecError) and "\n" not in str(refused)


def test_a_stored_run_means_what_its_own_steps_allow(installation, spec, monkeypatch):
    target = PrivacyTarget(8, 1e-5)
    guarantee = guarantee_full_batch(target, noise_multiplier=4.0, steps=16, max_grad_norm=0.3, unit=PrivacyUnit.PATIENT, n_units=9)
    result = RunResult(spec, guarantee, elapsed_seconds=1.0, n_parameters=3, n_train_cases=9, n_train_units=9)
    monkeypatch.setattr(Installation, "open", lambda: installation)
    monkeypatch.setattr(RunStore, "result", lambda store, run_id: result)
    found = json.loads(call("--run", "a", "--json").stdout)
    assert found["mu"] == pytest.approx(1.0) and found["guess_right"] == pytest.approx(69.146, abs=1e-3)
    assert isinstance(call("--run", "a", "--unit", "image").exception, SpecError)
    result = replace(result, guarantee=None)
    assert "trained without privacy" in str(call("--run", "a").exception)
