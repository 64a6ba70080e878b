"""A rebuilt model gives the scores that its run stored."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from dpmed_core.errors import RunError
from dpmed_core.imaging.modality import Modality
from dpmed_core.runs.store import RunStore
from dpmed_core.settings import PRODUCT_DATA_DIR
from dpmed_core.training.fitted import StoredModel
from dpmed_core.training.inference import rebuild
from dpmed_core.training.recipes.catalogue import RECIPES
from dpmed_core.training.recipes.networks import NETWORKS
from dpmed_core.training.scores import held_out_rows
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit, RunSpec
from dpmed_core.training.train import train

ENCODERS = PRODUCT_DATA_DIR / "encoders"


@pytest.fixture
def run_of(make_cohort, new_session, tmp_path, calibrations_dir, monkeypatch, one_torch_thread):
    """Trains a recipe on a small cohort, stores the run, and returns the stored model with the held-out images and scores."""
    for name in ("paper", "finetune"):
        monkeypatch.setitem(NETWORKS, name, replace(NETWORKS[name], epochs=2))

    def make(recipe, epsilon):
        cohort, split = make_cohort(30, most_images=3)
        privacy = None if epsilon is None else PrivacyTarget(epsilon, 1e-5)
        spec = RunSpec(cohort.fingerprint, 0, recipe, RECIPES[recipe].version, PrivacyUnit.PATIENT, privacy, seed=3)
        store = RunStore(tmp_path / "runs", b"k" * 32)
        run_id = store.ask(spec, cohort_name=cohort.name).run_id
        folders = {"features_dir": tmp_path / "f", "encoders_dir": ENCODERS, "calibrations_dir": calibrations_dir}
        store.finish(run_id, train(spec, cohort, split, session=new_session(), **folders))
        stored = StoredModel(store.result(run_id), store.weights(run_id), ENCODERS, cohort.modality)
        scores = store.scores(run_id)["score"].to_numpy().reshape(-1, len(cohort.findings))
        return stored, cohort.images[held_out_rows(split)], scores

    return make


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["paper", "finetune"])
@pytest.mark.parametrize("epsilon", [None, 8.0])
def test_a_stored_network_gives_the_stored_scores_bit_for_bit_and_a_case_alone_to_rounding(run_of, recipe, epsilon):
    stored, images, scores = run_of(recipe, epsilon)
    assert np.array_equal(score_images(stored, images), scores)
    assert score_images(stored, images[3:4])[0] == pytest.approx(scores[3], abs=1e-6)


@pytest.mark.parametrize("epsilon", [None, 0.5, 8.0])
def test_a_stored_head_gives_the_stored_scores_to_rounding(run_of, epsilon):
    stored, images, scores = run_of("probe", epsilon)
    assert score_images(stored, images) == pytest.approx(scores, abs=1e-6)
    assert score_images(stored, images[3:4])[0] == pytest.approx(scores[3], abs=1e-6)


@pytest.mark.parametrize("recipe", ["paper", "finetune", "probe"])
def test_the_differentiable_model_is_the_model_and_the_untrained_one_is_not(run_of, recipe):
    stored, images, scores = run_of(recipe, 8.0)
    fitted = rebuild(stored)
    explainable, untrained = fitted.explainable(), fitted.untrained(7)
    with torch.no_grad():
        again, other = (torch.sigmoid(e.network(e.to_input(images))).numpy() for e in (explainable, untrained))
    assert again == pytest.approx(scores, abs=1e-4)
    assert np.abs(other - scores).max() > 1e-2


@pytest.mark.parametrize("version", [1, RECIPES["probe"].version + 1])
def test_a_run_of_a_version_that_cannot_be_rebuilt_is_refused(run_of, version):
    stored, images, _ = run_of("probe", None)
    with pytest.raises(RunError, match=f"version {version} of recipe probe"):
        score_images(of_version(stored, version), images)


def test_heads_of_version_2_which_differed_in_training_alone_give_their_scores(run_of):
    stored, images, scores = run_of("probe", 8.0)
    assert score_images(of_version(stored, 2), images) == pytest.approx(scores, abs=1e-6)


def test_heads_on_the_former_encoder_for_ct_are_refused(run_of):
    stored, images, _ = run_of("probe", None)
    with pytest.raises(RunError, match="version 2 of recipe probe"):
        score_images(replace(of_version(stored, 2), modality=Modality.CT), images)


def score_images(stored, images):
    """Probabilities `[n, n_findings]` that a finished run's model gives to `images`."""
    return rebuild(stored).score(images)


def of_version(stored, version):
    return replace(stored, result=replace(stored.result, spec=replace(stored.spec, recipe_version=version)))
