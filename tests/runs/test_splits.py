"""Runs on several random splits of a cohort: planned, told from each other, and never mixed."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from dpmed_core.cohort.schema import Part
from dpmed_core.cohort.split import assign_parts
from dpmed_core.errors import SpecError
from dpmed_core.evaluation.planning.repeated_splits import composed_epsilon
from dpmed_core.evaluation.scores.load_scores import read_scores
from dpmed_core.evaluation.scores.scored_runs import finished_runs, splits_with_runs
from dpmed_core.runs.plan import plan_runs
from dpmed_core.runs.status import Progress, RunState
from dpmed_core.training.recipes.train_probe import plan_probe
from dpmed_core.training.result import RunResult, TrainedModel
from dpmed_core.training.scores import held_out_rows, scores_table
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit
from tests.small_runs import cohort, installation, settings

__all__ = ["cohort", "installation", "settings"]


@pytest.fixture
def planned(installation):
    def plan(cohort, n_splits):
        about = {"key": installation.key, "recipe": "probe", "delta": 1e-5, "unit": PrivacyUnit.PATIENT}
        return plan_runs(cohort, epsilons=[2.0], n_seeds=1, n_splits=n_splits, **about)

    return plan


def test_the_first_split_is_the_usual_one_and_each_has_its_own_reference(planned, cohort):
    assert planned(cohort, 3)[:2] == planned(cohort, 1)
    assert [(spec.split_seed, spec.privacy is None) for spec in planned(cohort, 3)] == [
        (split, reference) for split in range(3) for reference in (True, False)
    ]


def test_a_cohort_with_its_own_split_is_not_split_again(planned, cohort):
    cases = cohort.cases.assign(split=Part.TRAIN.value)
    with pytest.raises(SpecError, match="its source's own split"):
        planned(replace(cohort, cases=cases), 2)


def test_scores_of_one_split_hold_no_run_of_another(installation, cohort, planned):
    """The test patients of one split are training patients of another."""
    specs = planned(cohort, 3)
    installation.ledger.ask(cohort, specs)
    for spec in specs:
        split = assign_parts(cohort, seed=spec.split_seed, key=installation.key)
        n_units = cohort.cases["patient_id"][split.parts == Part.TRAIN.value].nunique()
        scores = scores_table(cohort, split, np.random.default_rng(0).random((len(held_out_rows(split)), 1)))
        guarantee = plan_probe(spec, n_units=n_units, n_findings=1).guarantee
        result = RunResult(spec, guarantee, elapsed_seconds=1.0, n_parameters=3, n_train_cases=9, n_train_units=n_units)
        run_id = installation.runs.run_id(spec)
        installation.runs.finish(run_id, TrainedModel(result, scores, {"w": np.ones(3)}))
        installation.runs.set_progress(run_id, Progress(RunState.FINISHED))
    assert splits_with_runs(installation.runs, cohort) == [0, 1, 2]
    assert {status.spec.split_seed for status in finished_runs(installation.runs, cohort)} == {0}
    for seed in range(3):
        tested = pd.concat([panel.cases for panel in read_scores(installation.runs, cohort, split_seed=seed).test])
        parts = assign_parts(cohort, seed=seed, key=installation.key).parts
        assert set(tested["case_id"]) == set(cohort.cases["case_id"][parts == Part.TEST.value])


def test_the_price_of_splits_is_what_the_ledger_counts_for_a_patient_of_all(installation, cohort, planned):
    private = tuple(spec for spec in planned(cohort, 4) if spec.privacy)
    total = installation.ledger.total(cohort, delta=1e-5, planned=private)
    assert total.epsilon == pytest.approx(composed_epsilon(PrivacyTarget(2.0, 1e-5), 4), rel=1e-6)
    assert total.median <= total.epsilon
