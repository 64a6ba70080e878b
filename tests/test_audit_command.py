"""`audit`: the contract of its JSON, that it spends nothing, what is kept of it, and what it refuses."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from dpmed_core.commands.audit import audit
from dpmed_core.commands.training import runs
from dpmed_core.errors import SpecError
from dpmed_core.installation import Installation
from dpmed_core.privacy.audit import run_audit, step_audit
from dpmed_core.privacy.audit.findings import StepAudit
from dpmed_core.privacy.audit.run_audit import audit_probe
from dpmed_core.runs.status import Progress, RunState
from dpmed_core.runs.store import RunStore
from dpmed_core.training.recipes.catalogue import PROBE, RECIPES
from dpmed_core.training.recipes.train_probe import plan_probe
from dpmed_core.training.result import SCORE_COLUMNS, RunResult, TrainedModel
from dpmed_core.training.spec import NOTHING_LEARNT, StartChoice
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


def test_a_networks_audit_is_kept_and_shown_again(call, cohort, installation, spec, monkeypatch):
    found = StepAudit(1.9, 1.2, 0.7, 0.75, 1.0, 0.99, 0.98, 0.05, 0.01, (), True, 3000, 3, 120, 120, 70.0)
    guarantee = plan_probe(replace(spec, recipe_version=PROBE.version), n_units=22, n_findings=1).guarantee
    network = replace(spec, recipe="paper", recipe_version=RECIPES["paper"].version)
    run_id = installation.runs.ask(network, cohort_name=cohort.name).run_id
    result = RunResult(network, replace(guarantee, accountant="prv"), 1.0, n_parameters=3, n_train_cases=9, n_train_units=22)
    installation.runs.finish(
        run_id, TrainedModel(result, pd.DataFrame(columns=list(SCORE_COLUMNS)), {"head.bias": np.zeros(2, np.float32)})
    )
    installation.runs.set_progress(run_id, Progress(RunState.FINISHED))
    assert "No audit" in str(call(run_id, "--stored").exception)
    asked = []
    monkeypatch.setattr(run_audit, "audit_steps", lambda *about, **more: (asked.append((about, more)), found)[1])
    made = json.loads(call(run_id, "--json").stdout)
    assert asked[0][0] == ("paper", result.guarantee) and asked[0][1]["n_findings"] == 2
    assert made.keys() >= CONTRACT | {"guessed_right", "guesses_allowed", "steps"} and made["kind"] == "steps"
    assert (made["epsilon"], made["accountant"]) == (8.0, "prv")
    assert json.loads(call(run_id, "--stored", "--json").stdout) == made and len(asked) == 1
    monkeypatch.setattr(Installation, "open", lambda: installation)
    listed = json.loads(CliRunner().invoke(runs, ["--json"]).stdout)["runs"]
    assert listed[0]["audit"]["lower_bound_mu"] == 1.2 and listed[0]["audit"]["kind"] == "steps"


def test_a_network_on_a_cohort_is_audited_from_public_counts(call, cohort, monkeypatch):
    monkeypatch.setattr(step_audit, "MOST_STEPS", 2)
    done = call("--cohort", cohort.name, "--recipe", "paper", "--epsilon", "8", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found.keys() >= CONTRACT and (found["steps"], found["n_canaries"], found["canary_images"]) == (2, 3000, 3)
    assert found["of_steps"] == 120 and found["noise_ratio"] == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("words", [("a", "--recipe", "paper"), ("--cohort", "images", "--epsilon", "1", "--stored")])
def test_options_that_do_not_go_together_are_refused(call, words):
    assert isinstance(call(*words).exception, SpecError)


def test_a_run_at_a_public_start_is_audited_at_one(spec):
    start = StartChoice("mine", "0" * 64, (("mass", "mass"),))
    at_start = replace(spec, recipe_version=PROBE.version, start=start)
    found = audit_probe(at_start, n_units=22, n_findings=1, n_trainings=400)
    assert found.shift_ratio < 0.9 and found.noise_ratio == pytest.approx(1, abs=0.1)  # the pace beside a start is known
    with pytest.raises(SpecError, match="claims nothing"):
        audit_probe(replace(at_start, privacy=NOTHING_LEARNT), n_units=22, n_findings=1, n_trainings=400)
