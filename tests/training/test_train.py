"""The note on the accountant in a model's result."""

from dataclasses import replace

import pandas as pd
import pytest

from dpmed_core.training.accounting.full_batch import guarantee_full_batch
from dpmed_core.training.result import RunResult, TrainedModel
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit, RunSpec
from dpmed_core.training.train import with_accountant_note


@pytest.fixture
def model():
    target = PrivacyTarget(8, 1e-5)
    guarantee = guarantee_full_batch(target, noise_multiplier=9.0, steps=20, max_grad_norm=1, unit=PrivacyUnit.PATIENT, n_units=50)
    spec = RunSpec("f" * 64, 0, "paper", 2, PrivacyUnit.PATIENT, target, 0)
    return TrainedModel(RunResult(spec, guarantee, 1.0, 3, 9, 9, notes=("first",)), pd.DataFrame(), {})


def test_the_looser_accountant_is_noted(model):
    by_rdp = replace(model, result=replace(model.result, guarantee=replace(model.result.guarantee, accountant="rdp")))
    notes = with_accountant_note(by_rdp).result.notes
    assert notes[0] == "first" and "RDP accountant" in notes[1]


def test_other_models_get_no_note(model):
    assert with_accountant_note(model) is model
    assert with_accountant_note(replace(model, result=replace(model.result, guarantee=None))).result.notes == ("first",)
