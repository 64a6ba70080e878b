"""An audit is kept with its run, comes back as it was, and is gone when the run is."""

import json
from dataclasses import replace

import pytest

from dpmed_core.engine.training_task import work_on
from dpmed_core.errors import RunError
from dpmed_core.privacy.audit.findings import Audit, StepAudit
from dpmed_core.privacy.audit.stored_audit import store_audit, stored_audit
from tests.small_runs import cohort, installation, settings, spec, trainer

__all__ = ["cohort", "installation", "settings", "spec", "trainer"]

HEAD = Audit(0.27, 0.1, 1.01, 0.9, 0.1, -0.01, ("noise", "mu"), False, 1000, 1.5)
STEPS = StepAudit(1.9, 1.2, 0.7, 0.75, 1.0, 0.99, 0.98, 0.05, 0.01, (), True, 3000, 3, 120, 120, 70.0)


@pytest.fixture
def finished(installation, spec, settings, trainer):
    run_id = installation.runs.ask(spec, cohort_name="images").run_id
    work_on(settings, run_id, trainer=trainer)
    return run_id


@pytest.mark.parametrize("found", [HEAD, STEPS])
def test_an_audit_comes_back_as_it_was(installation, finished, found):
    runs = installation.runs
    assert stored_audit(runs, finished) is None
    store_audit(runs, finished, found)
    stored = stored_audit(runs, finished)
    assert stored.found == found and stored.at > 1e9
    assert stored.to_fields()["kind"] == ("head" if found is HEAD else "steps")
    store_audit(runs, finished, replace(found, seconds=9.0))
    assert stored_audit(runs, finished).found.seconds == 9.0


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_text(path.read_text().replace("0.27", "0.28")),
        lambda path: path.write_text("{"),
        lambda path: path.write_text(json.dumps({"kind": "head", "at": 1.0, "found": {"claimed_mu": 1}})),
        lambda path: path.write_text(json.dumps({"kind": "later", "at": 1.0, "found": {}})),
        lambda path: (path.unlink(), path.mkdir()),
    ],
)
def test_one_that_was_damaged_counts_as_none_and_can_be_made_again(installation, finished, damage):
    runs = installation.runs
    store_audit(runs, finished, HEAD)
    damage(runs.root / finished / "audit.json")
    assert stored_audit(runs, finished) is None and not runs.is_damaged(finished)
    store_audit(runs, finished, HEAD)
    assert stored_audit(runs, finished).found == HEAD


def test_that_of_another_run_is_none_of_this_one(installation, finished, spec, settings, trainer):
    other = installation.runs.ask(replace(spec, seed=7), cohort_name="images").run_id
    work_on(settings, other, trainer=trainer)
    store_audit(installation.runs, other, HEAD)
    (installation.runs.root / finished / "audit.json").write_bytes((installation.runs.root / other / "audit.json").read_bytes())
    assert stored_audit(installation.runs, finished) is None


def test_it_goes_with_a_run_that_is_withdrawn_and_is_not_kept_of_one_without_a_result(installation, finished, spec):
    runs = installation.runs
    store_audit(runs, finished, HEAD)
    runs.withdraw(finished)
    assert stored_audit(runs, finished) is None and not (runs.root / finished / "audit.json").exists()
    with pytest.raises(RunError, match="withdrawn"):
        store_audit(runs, finished, HEAD)
    queued = runs.ask(replace(spec, seed=3), cohort_name="images").run_id
    with pytest.raises(RunError, match="queued"):
        store_audit(runs, queued, HEAD)
    with pytest.raises(RunError, match="no run"):
        stored_audit(runs, "0" * 16)
