"""`audit`: the contract of its JSON, that it spends nothing, and what it refuses."""

import json
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from dpmed_core.commands.audit import audit
from dpmed_core.errors import SpecError
from dpmed_core.installation import Installation
from dpmed_core.runs.store import RunStore
from dpmed_core.training.recipes.catalogue import PROBE
from dpmed_core.training.result import RunResult
from tests.small_runs import cohort, installation, settings, spec

__all__ = ["cohort", "installation", "settings", "spec"]

CONTRACT = {"claimed_mu", "lower_bound_mu", "consistent", "seconds"}


@pytest.fixture
def call(installation, monkeypatch):
    monkeypatch.setattr(Installation, "open", lambda: installation)
    return lambda *words: CliRunner().invoke(audit, words)


def test_json_has_the_contracts_keys_and_nothing_is_spent(call, cohort, installation):
    done = call("--cohort", cohort.name, "--epsilon", "8", "--trainings", "400", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found.keys() >= CONTRACT and found["n_trainings"] == 200
    assert found["lower_bound_mu"] > 0 and found["claimed_mu"] == pytest.approx(1.66603, abs=1e-4)
    total = installation.ledger.total(cohort)
    assert (total.n_draws, total.n_non_private, total.n_measuring) == (0, 0, 0) and not installation.ledger.chain.entries()


def test_a_run_is_audited_as_it_was_trained(call, cohort, spec, monkeypatch):
    result = RunResult(
        replace(spec, recipe_version=PROBE.version), None, elapsed_seconds=1.0, n_parameters=3, n_train_cases=9, n_train_units=22
    )
    monkeypatch.setattr(RunStore, "result", lambda store, run_id: result)
    monkeypatch.setattr(RunStore, "weights", lambda store, run_id: {"offset": np.zeros(3)})
    kept = []
    monkeypatch.setattr("dpmed_core.commands.audit.store_audit", lambda runs, run_id, found: kept.append((run_id, found)))
    found = json.loads(call("a", "--trainings", "200", "--json").stdout)
    assert [(run_id, one.claimed_mu) for run_id, one in kept] == [("a", found["claimed_mu"])]
    assert (found["epsilon"], found["unit"]) == (8.0, "patient") and found["claimed_mu"] == pytest.approx(1.66603, abs=1e-4)
    assert "leave out" in str(call("a", "--unit", "image").exception)
    result = replace(result, spec=replace(result.spec, recipe_version=PROBE.version - 1))
    assert "name another run" in str(call("a").exception)
    result = replace(result, spec=replace(result.spec, recipe_version=PROBE.version, privacy=None))
    assert "claims nothing" in str(call("a").exception)


def test_words_say_what_an_audit_cannot_show(call, cohort):
    printed = call("--cohort", cohort.name, "--epsilon", "8", "--unit", "image", "--trainings", "200").stdout
    assert "it cannot prove that it holds" in printed
    assert "ε = 8 at δ = 1e-05 for each image (analytic-gaussian accountant, zero-out neighbours)" in printed


@pytest.mark.parametrize("words", [(), ("--epsilon", "1"), ("a", "--cohort", "b", "--epsilon", "1")])
def test_what_names_no_training_is_refused(call, words):
    refused = call(*words).exception
    assert isinstance(refused, SpecError) and "\n" not in str(refused)
