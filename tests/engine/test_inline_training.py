"""Runs of recipe `probe` trained in the calling process are like any other."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dpmed_core.engine.inline_training import can_train_inline, train_inline
from dpmed_core.runs.plan import plan_runs
from dpmed_core.runs.status import RunState
from dpmed_core.training.encoders.card import COMPONENTS, read_card
from dpmed_core.training.spec import PrivacyUnit

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def plan(installation, cohort):
    def make(*epsilons, n_seeds=1, recipe="probe"):
        return plan_runs(
            cohort, key=installation.key, recipe=recipe, epsilons=epsilons, n_seeds=n_seeds, delta=None, unit=PrivacyUnit.PATIENT
        )

    return make


@pytest.fixture
def cached(installation, cohort):
    """Features that determine the finding, stored in place of the encoder's."""
    folder = installation.cohorts.features_dir(cohort.name)
    folder.mkdir(parents=True, exist_ok=True)
    features = np.random.default_rng(0).normal(size=(len(cohort.cases), sum(COMPONENTS.values()))).astype(np.float32)
    features[:, :4] += 8 * cohort.labels
    np.save(folder / f"{read_card(installation.settings.encoders_dir, cohort.modality).version}.npy", features)


def test_without_features_nothing_is_trained_inline(installation, cohort, plan):
    assert not can_train_inline(installation, cohort, plan(1.0))


def test_another_recipe_is_left_to_the_engine(installation, cohort, plan, cached):
    assert can_train_inline(installation, cohort, plan(1.0))
    assert not can_train_inline(installation, cohort, plan(1.0, recipe="paper"))


def test_an_inline_run_is_stored_and_recorded_like_any_other(installation, cohort, plan, cached):
    specs = plan(8.0, 1000.0, n_seeds=2)
    statuses = train_inline(installation, cohort, specs)
    assert [s.state for s in statuses] == [RunState.FINISHED] * 6
    for spec, status in zip(specs, statuses, strict=True):
        runs = installation.runs
        assert status.run_id == runs.run_id(spec)
        assert [e["event"] for e in runs.attempts(status.run_id)] == ["started", "planned", "charged", "finished"]
        assert not runs.is_damaged(status.run_id)
        result, scores = runs.result(status.run_id), runs.scores(status.run_id)
        assert set(scores["split"]) == {"validation", "test"}
        assert (result.guarantee is None) == (spec.privacy is None)
        positive = scores[scores["label"] == 1]["score"].mean()
        assert (spec.privacy is not None and spec.privacy.epsilon < 100) or positive > scores[scores["label"] == 0]["score"].mean() + 0.2
    assert runs.attempts(statuses[1].run_id)[1]["guarantee"]["epsilon"] == pytest.approx(8, rel=1e-6)


def test_inline_training_loads_no_torch(installation, cohort, plan, cached):
    program = (
        "import sys; from dpmed_core.installation import Installation; from dpmed_core.engine.inline_training import train_inline\n"
        "from dpmed_core.runs.plan import plan_runs; from dpmed_core.training.spec import PrivacyUnit\n"
        "here = Installation.open(); images = here.cohorts.load('images')\n"
        "asked = dict(recipe='probe', epsilons=[1], n_seeds=1, delta=None, unit=PrivacyUnit.PATIENT)\n"
        "states = {s.state.value for s in train_inline(here, images, plan_runs(images, key=here.key, **asked))}\n"
        "print(states, [m for m in ('torch', 'opacus', 'distributed') if m in sys.modules])"
    )
    environment = {**os.environ, "DPMED_DATA_DIR": str(installation.settings.data_dir)}
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, cwd=ROOT, check=True)
    assert printed.stdout.strip() == "{'finished'} []"


def test_a_run_that_was_trained_is_not_trained_again(installation, cohort, plan, cached):
    first = train_inline(installation, cohort, plan(2.0))
    before = [installation.runs.weights(s.run_id)["weights"] for s in first]
    train_inline(installation, cohort, plan(2.0))
    assert all(np.array_equal(w, installation.runs.weights(s.run_id)["weights"]) for w, s in zip(before, first, strict=True))


def test_a_run_that_a_worker_holds_is_left_to_it(installation, cohort, plan, cached):
    reference, private = plan(2.0)
    installation.runs.ask(private, cohort_name=cohort.name)
    with installation.runs.worker_lock(installation.runs.run_id(private)):
        states = [s.state for s in train_inline(installation, cohort, [reference, private])]
    assert states == [RunState.FINISHED, RunState.QUEUED]
