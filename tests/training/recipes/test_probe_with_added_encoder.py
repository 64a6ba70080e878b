"""Recipe `probe` with an added encoder: its features are joined to the public ones, and stored heads score other cases by them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from filelock import FileLock

from dpmed_core.errors import EncoderError, SpecError
from dpmed_core.runs.store import RunStore
from dpmed_core.settings import PRODUCT_DATA_DIR
from dpmed_core.training.encoders.added.store import AddedEncoders
from dpmed_core.training.encoders.components import leading_components
from dpmed_core.training.encoders.features import public_features
from dpmed_core.training.encoders.joined_features import compute_joined, forget_features, joined_are_cached, joined_features
from dpmed_core.training.fitted import StoredModel
from dpmed_core.training.inference import rebuild
from dpmed_core.training.recipes.catalogue import PAPER, PROBE
from dpmed_core.training.scores import held_out_rows
from dpmed_core.training.session import Cancelled
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit, RunSpec
from dpmed_core.training.train import train
from tests.training.encoders import made_up_encoder

ENCODERS = PRODUCT_DATA_DIR / "encoders"


@pytest.fixture(scope="module")
def added(tmp_path_factory):
    folder = tmp_path_factory.mktemp("added")
    return made_up_encoder.add(folder / "encoders", made_up_encoder.write_weights(folder))


@pytest.fixture
def folders(tmp_path, added):
    return {"features_dir": tmp_path / "features", "encoders_dir": ENCODERS, "added_dir": added.folder.parent}


def spec_of(cohort, encoder, epsilon=8.0, recipe=PROBE):
    target = None if epsilon is None else PrivacyTarget(epsilon, 1e-5)
    return RunSpec(cohort.fingerprint, 0, recipe.name, recipe.version, PrivacyUnit.PATIENT, target, seed=3, encoder=encoder)


def test_features_are_the_public_ones_with_the_added_ones_behind_them_computed_once(make_cohort, added, folders, monkeypatch):
    cohort, _ = make_cohort(12)
    seen = []
    joined = joined_features(cohort, added.digest, **folders, progress=lambda *counts: seen.append(counts))
    own = public_features(cohort, features_dir=folders["features_dir"], encoders_dir=ENCODERS)
    assert np.array_equal(joined[:, : own.shape[1]], own)
    assert joined.shape[1] > own.shape[1] and np.isfinite(joined).all()
    assert seen == [(start, len(cohort.images)) for start in range(0, len(cohort.images), 8)]
    monkeypatch.setattr("dpmed_core.training.encoders.joined_features._compute", None)  # a second computation would fail
    assert np.array_equal(joined_features(cohort, added.digest, **folders), joined)


def test_an_image_has_the_same_features_whichever_others_are_there(make_cohort, added, folders):
    cohort, _ = make_cohort(12)
    joined = joined_features(cohort, added.digest, **folders)
    where = {"encoders_dir": ENCODERS, "added_dir": folders["added_dir"]}
    alone = compute_joined(cohort.images[5:6], added.digest, modality=cohort.modality, **where)
    assert np.array_equal(alone[0], joined[5])


def test_all_kinds_of_feature_have_one_norm_and_together_norm_one(make_cohort, added, folders):
    cohort, _ = make_cohort(12)
    read = leading_components(joined_features(cohort, added.digest, **folders), {"narrow": 5, "wide": 3, "scattering": 7, "added": 4})
    assert read.shape[1] == 19
    for part in (read[:, :5], read[:, 5:8], read[:, 8:15], read[:, 15:]):
        assert np.linalg.norm(part, axis=1) == pytest.approx(0.5, abs=1e-6)


@pytest.mark.parametrize(("epsilon", "side"), [(None, 64), (1.0, 64), (1.0, 256)])
def test_a_stored_head_scores_other_cases_by_both_encoders(make_cohort, new_session, tmp_path, added, folders, epsilon, side):
    cohort, split = make_cohort(30)
    # Enlarged without new values, so that means over 2 x 2 need no rounding, which the differentiable network leaves out.
    cohort = replace(cohort, images=cohort.images.repeat(side // 64, axis=1).repeat(side // 64, axis=2))
    runs, stored = RunStore(tmp_path / "runs", b"k" * 32), []
    for encoder in (added.digest, None):
        spec = spec_of(cohort, encoder, epsilon)
        run_id = runs.ask(spec, cohort_name=cohort.name).run_id
        runs.finish(run_id, train(spec, cohort, split, session=new_session(), calibrations_dir=None, **folders))
        stored.append((StoredModel(runs.result(run_id), runs.weights(run_id), ENCODERS, cohort.modality, folders["added_dir"]), run_id))
    (model, run_id), (without, _) = stored
    assert runs.result(run_id).spec.encoder == added.digest
    assert len(model.weights["weights"]) > len(without.weights["weights"])
    images, scores = cohort.images[held_out_rows(split)], runs.scores(run_id)["score"].to_numpy().reshape(-1, 2)
    fitted = rebuild(model)
    assert fitted.score(images) == pytest.approx(scores, abs=1e-6)
    assert fitted.score_features is None  # public features alone do not make its score
    explainable = fitted.explainable()
    with torch.no_grad():
        differentiable = torch.sigmoid(explainable.network(explainable.to_input(images))).numpy()
    assert differentiable == pytest.approx(scores, abs=1e-4)


def test_a_removed_encoder_is_named_in_one_sentence(make_cohort, new_session, tmp_path, added, folders):
    cohort, split = make_cohort(12)
    spec = spec_of(cohort, added.digest)
    model = train(spec, cohort, split, session=new_session(), calibrations_dir=None, **folders)
    empty = tmp_path / "none"
    fitted = rebuild(StoredModel(model.result, model.weights, ENCODERS, cohort.modality, empty))
    with pytest.raises(EncoderError, match=rf"The added encoder with the digest {added.digest[:12]}… is no longer there"):
        fitted.score(cohort.images[:1])
    with pytest.raises(EncoderError, match="is no longer there"):
        train(spec, cohort, split, session=new_session(), calibrations_dir=None, **{**folders, "added_dir": empty})


def test_computing_features_can_be_cancelled_and_leaves_no_half_of_them(make_cohort, new_session, added, folders):
    cohort, split = make_cohort(12)
    session = new_session()
    session.step = lambda done, total: (_ for _ in ()).throw(Cancelled) if len(session.events) > 3 else session.events.append("step")
    with pytest.raises(Cancelled):
        train(spec_of(cohort, added.digest), cohort, split, session=session, calibrations_dir=None, **folders)
    assert session.events[:1] == ["plan"] and "charge" not in session.events
    assert not list(folders["features_dir"].glob("*.npy"))
    where = {"features_dir": folders["features_dir"], "encoders_dir": ENCODERS}
    assert not joined_are_cached(cohort.modality, added.digest, **where)
    joined_features(cohort, added.digest, **folders)
    assert joined_are_cached(cohort.modality, added.digest, **where)
    forget_features(folders["features_dir"], added.digest)
    assert not joined_are_cached(cohort.modality, added.digest, **where)
    assert joined_are_cached(cohort.modality, None, **where)


def test_who_waits_for_another_process_can_be_cancelled_and_the_public_features_are_free_meanwhile(
    make_cohort, added, folders, monkeypatch
):
    monkeypatch.setattr("dpmed_core.training.encoders.features.WAIT_SECONDS", 0.05)
    cohort, _ = make_cohort(12)
    folders["features_dir"].mkdir()
    waited = []

    def cancel(done, total):
        waited.append((done, total))
        if len(waited) == 3:
            raise Cancelled

    with FileLock(folders["features_dir"] / f".computing-{added.digest[:12]}.lock"):
        with pytest.raises(Cancelled):
            joined_features(cohort, added.digest, **folders, progress=cancel)
        assert len(public_features(cohort, features_dir=folders["features_dir"], encoders_dir=ENCODERS)) == len(cohort.images)
    assert waited == 3 * [(0, len(cohort.images))]


def test_recipes_that_would_not_read_it_and_volumes_are_refused(make_cohort, make_volumes, new_session, added, folders):
    for cohort, split, recipe in ((*make_cohort(12), PAPER), (*make_volumes(12), PROBE)):
        with pytest.raises(SpecError, match="read by recipe probe on radiographs alone"):
            spec = spec_of(cohort, added.digest, recipe=recipe)
            train(spec, cohort, split, session=new_session(), calibrations_dir=None, **folders)


def test_a_changed_card_stops_training(make_cohort, new_session, added, folders, tmp_path):
    root = tmp_path / "copy"
    encoder = made_up_encoder.add(root, made_up_encoder.write_weights(tmp_path))
    card = encoder.folder / "card.json"
    card.write_text(card.read_text().replace("random numbers", "data of patients"))
    cohort, split = make_cohort(12)
    assert AddedEncoders(root).readable() == []
    with pytest.raises(EncoderError):
        train(
            spec_of(cohort, encoder.digest),
            cohort,
            split,
            session=new_session(),
            calibrations_dir=None,
            **{**folders, "added_dir": root},
        )
