"""An audit that a page asks for is made by a worker, reports its steps, and is kept with the run."""

import os
import time

import pytest

from dpmed_core.engine import inference_task
from dpmed_core.inference.requests import AuditOfRun, from_json, to_json
from dpmed_core.inference.status import Stage
from dpmed_core.inference.store import LIFETIME_SECONDS, InferenceRequests
from dpmed_core.privacy.audit import run_audit, step_audit
from dpmed_core.privacy.audit.findings import StepAudit
from dpmed_core.privacy.audit.stored_audit import stored_audit
from dpmed_core.runs.store import RunStore
from dpmed_core.training.result import NEIGHBORING_RELATION, PrivacyGuarantee, RunResult
from dpmed_core.training.spec import PrivacyUnit

GUARANTEE = PrivacyGuarantee(
    **{"epsilon": 8.0, "delta": 1e-5, "unit": PrivacyUnit.PATIENT, "accountant": "prv", "neighboring_relation": NEIGHBORING_RELATION},
    **{"noise_multiplier": 0.9, "max_grad_norm": 1.5, "sample_rate": 0.25, "steps": 12, "n_units": 40},
    **{"check_epsilon": 8.0, "check_accountant": "pld"},
)


@pytest.fixture
def private(requests, models, monkeypatch):
    """The run_id of the private network, with a guarantee, and audited at few steps and canaries."""
    run_id = next(run_id for run_id, _ in models if requests.installation.runs.result(run_id).spec.privacy)
    plain = RunStore.result
    monkeypatch.setattr(RunStore, "result", lambda runs, name: _with_guarantee(plain(runs, name)) if name == run_id else plain(runs, name))
    monkeypatch.setattr(step_audit, "MOST_STEPS", 3)
    audit_steps = run_audit.audit_steps
    monkeypatch.setattr(run_audit, "audit_steps", lambda *about, **more: audit_steps(*about, **more, n_canaries=60))
    return run_id


def _with_guarantee(result):
    return RunResult(result.spec, GUARANTEE, result.elapsed_seconds, result.n_parameters, result.n_train_cases, result.n_train_units)


def test_a_networks_audit_is_kept_with_its_run(requests, private, answered, monkeypatch):
    seen, plain = [], InferenceRequests.set_state
    monkeypatch.setattr(InferenceRequests, "set_state", lambda own, name, stage, **at: (plain(own, name, stage, **at), seen.append(at)))
    request = AuditOfRun(private)
    assert from_json(to_json(request)) == request
    name = requests.ask(request)
    answered(name)
    assert {"done": 2, "total": 3} in seen
    stored = stored_audit(requests.installation.runs, private)
    assert isinstance(stored.found, StepAudit) and (stored.found.steps, stored.found.n_canaries) == (3, 60)
    assert bool(requests.fetch(name)["consistent"]) == stored.found.consistent
    assert not requests.installation.ledger.chain.entries()


def test_a_run_without_privacy_and_one_that_is_gone_become_sentences(requests, models, answered):
    reference = next(run_id for run_id, _ in models if requests.installation.runs.result(run_id).spec.privacy is None)
    for run_id, why in ((reference, "claims nothing"), ("0" * 16, "no run")):
        name = requests.ask(AuditOfRun(run_id))
        answered(name)
        assert requests.state(name).stage is Stage.FAILED and why in requests.state(name).message


def test_an_audit_may_wait_behind_a_training_for_as_long_as_it_was_given(requests, private):
    name = requests.ask(AuditOfRun(private), limit_seconds=3600)
    past = time.time() - LIFETIME_SECONDS - 1
    os.utime(requests.root / name, (past, past))
    requests.clear_old()
    assert requests.open_names() == [name]
    os.utime(requests.root / name, (past - 3600, past - 3600))
    requests.clear_old()
    assert requests.open_names() == []


def test_an_audit_that_is_not_wanted_any_more_stops_at_its_next_step(requests, private, answered, monkeypatch):
    report = inference_task._report
    monkeypatch.setattr(
        inference_task, "_report", lambda own, name, done, total: (own.cancel(name) if done else None, report(own, name, done, total))
    )
    name = requests.ask(AuditOfRun(private))
    answered(name)
    assert requests.state(name).stage is Stage.CANCELLED and stored_audit(requests.installation.runs, private) is None
