"""The start that ships with DPMed: read from its file, offered where it knows a finding, bounded, and part of models that begin there."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from dpmed_core.errors import SettingsError, SpecError
from dpmed_core.imaging.modality import Modality
from dpmed_core.phantoms.chest.population import FINDINGS
from dpmed_core.runs.store import RunStore
from dpmed_core.settings import PRODUCT_DATA_DIR
from dpmed_core.training.dpsgd.secure_random import SecureRandom
from dpmed_core.training.encoders.card import COMPONENTS, read_card
from dpmed_core.training.encoders.phantom_outputs import compute_outputs, output_names, public_outputs
from dpmed_core.training.fitted import StoredModel
from dpmed_core.training.inference import rebuild
from dpmed_core.training.recipes.catalogue import PROBE
from dpmed_core.training.recipes.linear_head import head_data, train_heads
from dpmed_core.training.recipes.probe_settings import HeadSettings
from dpmed_core.training.scores import held_out_rows
from dpmed_core.training.spec import NOTHING_LEARNT, PrivacyTarget, PrivacyUnit, RunSpec
from dpmed_core.training.starts.choosing import choose_start, recommended, starts_offered, suggested
from dpmed_core.training.starts.measure_phantom_start import main as measure
from dpmed_core.training.starts.phantom_start import NAME, START_WEIGHT, PhantomStart, phantom_card, phantom_start, start_file
from dpmed_core.training.starts.start import start_from_tensors
from dpmed_core.training.starts.start_store import StartStore
from dpmed_core.training.train import train

ENCODERS = PRODUCT_DATA_DIR / "encoders"
N_FEATURES = sum(COMPONENTS.values())


@pytest.fixture
def store(tmp_path):
    return StartStore(tmp_path / "starts", ENCODERS)


@pytest.fixture
def shipped():
    return phantom_start(ENCODERS), phantom_card(ENCODERS)


def behind_features(outputs):
    """Outputs where `own_features` reads them."""
    outputs = np.asarray(outputs, dtype=np.float32)
    return np.concatenate([np.zeros((len(outputs), N_FEATURES), np.float32), outputs], axis=1)


def test_its_file_is_of_the_encoder_that_ships_and_says_which_output_speaks_of_what(shipped):
    start, card = shipped
    assert card.encoder == read_card(ENCODERS, Modality.RADIOGRAPH).digest and card.synthetic and card.public is True
    assert set(FINDINGS) < set(card.findings) and min(card.auroc) > 0.8
    names = output_names(read_card(ENCODERS, Modality.RADIOGRAPH))
    said = {finding: {names[i] for i in np.flatnonzero(start.members[:, k])} for k, finding in enumerate(card.findings)}
    assert said["cardiomegaly"] == {"cardiomegaly"}
    assert said["effusion"] == {"pleural_effusion_right", "pleural_effusion_left"} == said["pleural_effusion"]


# By hand: outputs 1 and 5 of a finding of two sides, mean 1 and spread 2: z = (5 - 1) / 2 = 2, and tanh(2 / 2) = 0.76159.
def test_own_features_are_the_standardised_larger_side(shipped):
    start = PhantomStart(np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 0.0]]), np.array([1.0, 0.0]), np.array([2.0, 0.0]))
    own = start.own_features(behind_features([[1, 5, 99], [1, 1, -99]]))
    assert own == pytest.approx(np.array([[0.76159, 0], [0, 0]]), abs=1e-5), "of the second finding it knows nothing"
    assert start.start_weights.tolist() == [START_WEIGHT, 0]
    of_two = shipped[0].of(("mass", "effusion"), (("effusion", "effusion"),), shipped[1].findings)
    outputs = np.random.default_rng(0).normal(0, 1e4, (50, len(of_two.members)))
    own = of_two.own_features(behind_features(outputs))
    assert (own[:, 0] == 0).all() and np.abs(own[:, 1]).max() <= 1 and np.isfinite(own).all()
    same = start_from_tensors(of_two.to_tensors("start."), "start.")
    assert np.array_equal(same.own_features(behind_features(outputs)), own)


def test_an_own_feature_depends_on_its_image_alone(shipped):
    outputs = np.random.default_rng(0).normal(0, 3, (9, len(shipped[0].members)))
    own = shipped[0].own_features(behind_features(outputs))
    assert np.array_equal(shipped[0].own_features(behind_features(outputs[4:5]))[0], own[4]), "centred on the cohort it would be a release"


@pytest.mark.parametrize("said", [np.nan, np.inf, 1e30])
def test_a_unit_moves_a_noisy_sum_by_at_most_the_bound_whatever_the_network_says(shipped, said):
    start = shipped[0].of(("effusion", "mass"), (("effusion", "effusion"),), shipped[1].findings)
    rng = np.random.default_rng(1)
    outputs = rng.normal(0, 3, (12, len(start.members)))
    outputs[-3:] = said
    features, labels = rng.normal(size=(12, 5)).astype(np.float32), rng.integers(0, 2, (12, 2)).astype(float)
    settings = HeadSettings(steps=1, learning_rate=1.0, max_grad_norm=0.1, mean_release_steps=1, bias=0.1)
    heads = []
    for known in (labels, np.where(np.arange(12)[:, None] < 9, labels, np.nan)):  # the last unit's record, and an empty one
        data = head_data(features, known, np.split(np.arange(12), [3, 6, 9]), own=start.own_features(behind_features(outputs)))
        heads.append(train_heads(data, settings, [0.0], SecureRandom(), start_weights=start.start_weights)[0])
    assert all(np.isfinite(head.own).all() for head in heads)
    # One step moves the weight by rate / units = 1 / 4 of the sum, of which a unit makes at most 0.1.
    assert abs(heads[0].own[0] - heads[1].own[0]) <= 0.1 / 4 + 1e-9


def test_it_is_offered_where_it_knows_a_finding(store, make_cohort):
    cohort, _ = make_cohort(6)
    assert cohort.findings == ("effusion", "mass") and starts_offered(store, cohort, "probe") == [NAME]
    assert suggested(("Pleural effusion", "pneumonia"), store.card(NAME)) == {"Pleural effusion": "pleural_effusion"}
    for changes in ({"findings": ("mass", "pneumonia")}, {"modality": Modality.CT}):
        assert starts_offered(store, replace(cohort, **changes), "probe") == []
    assert StartStore(store.root).offered() == [] and store.offered() == [NAME] and store.names() == []


def test_it_is_recommended_for_effusion_of_real_patients_alone(store, make_cohort):
    drawn, card = make_cohort(6)[0], store.card(NAME)
    cohort = replace(drawn, synthetic=False, findings=("Pleural effusion", "cardiomegaly", "atelectasis"))
    assert recommended(cohort, card) == {"Pleural effusion": "pleural_effusion"} and len(suggested(cohort.findings, card)) == 3
    assert recommended(replace(cohort, synthetic=True), card) == {}, "drawn by the same phantoms"
    assert recommended(replace(cohort, modality=Modality.CT), card) == {}


def test_it_is_no_start_that_a_user_makes_or_removes(store):
    for refused in (store.require_free, store.remove):
        with pytest.raises(SpecError, match="part of DPMed"):
            refused(NAME)


def test_a_file_of_another_encoder_is_refused(tmp_path):
    for name in ("chest-phantom-v3.json", "chest-phantom-v3.safetensors"):
        shutil.copy(ENCODERS / name, tmp_path)
    with pytest.raises(SettingsError, match="missing beside the public encoder: make it with `make encoder`"):
        phantom_card(tmp_path)
    document = json.loads(start_file(ENCODERS).read_text())
    start_file(tmp_path).write_text(json.dumps({**document, "encoder": "0" * 64}))
    with pytest.raises(SettingsError, match="was made for another public encoder"):
        phantom_start(tmp_path)
    measure(tmp_path, n_images=60)
    assert phantom_card(tmp_path).findings == phantom_card(ENCODERS).findings
    spread = phantom_start(ENCODERS).spread
    assert np.abs(phantom_start(tmp_path).spread / spread - 1).max() < 0.3


def spec_of(cohort, target):
    card = phantom_card(ENCODERS)
    start = choose_start(card, cohort, suggested(cohort.findings, card), recipe="probe", encoder=card.encoder)
    return RunSpec(cohort.fingerprint, 0, PROBE.name, PROBE.version, PrivacyUnit.PATIENT, target, 0, start=start)


@pytest.mark.parametrize("target", [PrivacyTarget(8.0, 1e-5), None, NOTHING_LEARNT])
def test_a_stored_model_scores_other_cases_by_the_networks_outputs_too(target, store, make_cohort, new_session, tmp_path):
    cohort, split = make_cohort(12)
    folders = {"features_dir": tmp_path / "features", "encoders_dir": ENCODERS, "added_dir": tmp_path / "added"}
    spec = spec_of(cohort, target)
    runs = RunStore(tmp_path / "runs", b"k" * 32)
    run_id = runs.ask(spec, cohort_name=cohort.name).run_id
    runs.finish(run_id, train(spec, cohort, split, session=new_session(), calibrations_dir=None, starts=store, **folders))
    images, scores = cohort.images[held_out_rows(split)], runs.scores(run_id)["score"].to_numpy().reshape(-1, 2)
    fitted = rebuild(StoredModel(runs.result(run_id), runs.weights(run_id), ENCODERS, cohort.modality, folders["added_dir"]))
    assert fitted.score(images) == pytest.approx(scores, abs=1e-6)
    assert fitted.score_features is None  # public features alone do not make its score
    explainable = fitted.explainable()
    with torch.no_grad():
        differentiable = torch.sigmoid(explainable.network(explainable.to_input(images))).numpy()
    assert differentiable == pytest.approx(scores, abs=1e-4)
    outputs = public_outputs(cohort, features_dir=folders["features_dir"], encoders_dir=ENCODERS)
    assert np.array_equal(outputs[3], compute_outputs(cohort.images[3:4], ENCODERS)[0]), "whichever others are there"
