"""A network that begins at a public network: what it takes from it, and what the start alone gives."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from dpmed_core.cohort.schema import Part
from dpmed_core.errors import SpecError
from dpmed_core.settings import PRODUCT_DATA_DIR
from dpmed_core.training.recipes import train_network as by_network
from dpmed_core.training.recipes.catalogue import RECIPES
from dpmed_core.training.recipes.networks import NETWORKS
from dpmed_core.training.recipes.public_images import PublicImages
from dpmed_core.training.recipes.train_network import train_network
from dpmed_core.training.recipes.train_public_network import scores_of_start, train_public_network
from dpmed_core.training.result import NO_TRAINING
from dpmed_core.training.session import Cancelled
from dpmed_core.training.spec import NOTHING_LEARNT, PrivacyTarget, PrivacyUnit, RunSpec, StartChoice
from dpmed_core.training.starts.public_network import HEAD, PublicNetwork

ENCODERS = PRODUCT_DATA_DIR / "encoders"
pytestmark = pytest.mark.usefixtures("one_torch_thread")


@pytest.fixture
def cohort(make_cohort):
    cohort, split = make_cohort(n_patients=30, most_images=2, side=64)
    images = cohort.images.copy()
    images[np.nan_to_num(cohort.labels[:, 0]) == 1, :32] //= 4  # the finding darkens the upper half
    return replace(cohort, images=images), split


@pytest.fixture
def start(cohort, monkeypatch):
    monkeypatch.setitem(NETWORKS, "paper", replace(NETWORKS["paper"], epochs=1))
    return train_public_network(cohort[0], "paper", encoders_dir=ENCODERS)


def trained(cohort, split, start, target, new_session, monkeypatch, recipe="paper"):
    choice = StartChoice("elsewhere", "d" * 64, ((cohort.findings[0], cohort.findings[0]),))
    spec = RunSpec(cohort.fingerprint, 0, recipe, RECIPES[recipe].version, PrivacyUnit.IMAGE, target, 5, start=choice)
    monkeypatch.setattr(by_network, "start_of", lambda *_: start)
    return train_network(NETWORKS[recipe], spec, cohort, split, session=new_session(), encoders_dir=ENCODERS, calibrations_dir=None)


def test_findings_are_taken_by_the_choice_and_the_others_begin_at_zero():
    rng = np.random.default_rng(0)
    tensors = {"body": rng.normal(size=(3, 3)), HEAD[0]: rng.normal(size=(2, 4)), HEAD[1]: rng.normal(size=2)}
    public = PublicNetwork.from_tensors(tensors)
    own = public.of(("mass", "effusion", "fracture"), (("effusion", "b"), ("mass", "a")), ("a", "b"))
    assert own.begins.tolist() == [True, True, False] and public.begins.all()
    assert np.allclose(own.weights[HEAD[0]][:2], tensors[HEAD[0]]) and not own.weights[HEAD[0]][2].any()
    assert np.allclose(own.weights[HEAD[1]], [*tensors[HEAD[1]], 0]) and np.array_equal(own.weights["body"], tensors["body"])
    with pytest.raises(ValueError, match="unpack"):
        PublicNetwork.from_tensors({**tensors, HEAD[1]: np.zeros(3)})


def test_it_is_judged_by_patients_that_it_was_not_trained_on_and_leaves_out_what_one_part_cannot_show(cohort, monkeypatch):
    monkeypatch.setitem(NETWORKS, "paper", replace(NETWORKS["paper"], epochs=1))
    seen = {}
    monkeypatch.setattr(
        "dpmed_core.training.recipes.train_public_network.train_model",
        lambda model, data, settings, session: seen.update(n=len(data.images_of), rows=len(data.images), noise=settings.noise_multiplier),
    )
    one = cohort[0]
    cases = one.cases.copy()
    patients = cases["patient_id"].unique()
    cases[one.findings[1]] = (cases["patient_id"] == patients[0]).astype(float)  # a finding of one patient: in one part alone
    public, told = train_public_network(replace(one, cases=cases), "paper", encoders_dir=ENCODERS)
    assert seen["n"] == 24 and seen["noise"] is None and seen["rows"] < len(cases), "four fifths of thirty patients"
    assert one.findings[1] not in told and len(public.begins) == len(told)
    assert told[one.findings[0]].n_positive == int(np.nansum(one.labels[:, 0]))


def test_at_epsilon_0_the_start_is_scored_and_no_training_image_is_read(cohort, start, new_session, monkeypatch):
    (one, split), (public, told) = cohort, start
    chosen = public.of(one.findings, ((one.findings[0], one.findings[0]),), tuple(told))
    model = trained(one, split, chosen, NOTHING_LEARNT, new_session, monkeypatch)
    result = model.result
    assert (result.guarantee.epsilon, result.guarantee.delta, result.guarantee.steps) == (0, 0, 0)
    assert result.guarantee.accountant == NO_TRAINING and result.n_parameters == result.n_train_cases == 0
    held_out = np.flatnonzero(split.parts != Part.TRAIN.value)
    assert np.array_equal(scores_of_start(chosen, "paper", one, held_out), model.scores["score"].to_numpy().reshape(len(held_out), -1))
    images = one.images.copy()
    images[split.rows(Part.TRAIN)] = 0  # other training patients altogether
    same = trained(replace(one, images=images), split, chosen, NOTHING_LEARNT, new_session, monkeypatch)
    assert np.array_equal(model.scores["score"], same.scores["score"])
    other = model.scores[model.scores["finding"] == one.findings[1]]["score"]
    assert (other == 0.5).all(), "of a finding that begins at zero the start says nothing"


@pytest.mark.parametrize("target", [PrivacyTarget(8.0, 1e-5), None])
def test_a_training_begins_at_the_weights_of_the_start(target, cohort, start, new_session, monkeypatch):
    (one, split), (public, told) = cohort, start
    chosen = public.of(one.findings, ((one.findings[0], one.findings[0]),), tuple(told))
    begun = []

    def look(model, data, settings, session):
        begun.append(({name: tensor.clone() for name, tensor in model.state_dict().items()}, settings))
        return 0.0

    monkeypatch.setattr(by_network, "train_model", look)
    trained(one, split, chosen, target, new_session, monkeypatch)
    ((weights, settings),) = begun
    assert weights.keys() == chosen.weights.keys()
    assert all(torch.equal(weights[name], torch.from_numpy(np.array(value))) for name, value in chosen.weights.items())
    assert (settings.noise_multiplier is None) == (target is None) and settings.steps > 0


def test_one_that_was_cancelled_is_not_scored_at_epsilon_0(cohort, start, new_session, monkeypatch):
    (one, split), (public, told) = cohort, start
    monkeypatch.setattr(by_network, "predict", lambda *_, **__: pytest.fail("it was scored"))
    with pytest.raises(Cancelled):
        trained(one, split, public.of(one.findings, (), tuple(told)), NOTHING_LEARNT, lambda: new_session(cancel_at=0), monkeypatch)


def test_of_no_patients_there_are_no_scores(cohort, start):
    assert scores_of_start(start[0], "paper", cohort[0], np.array([], dtype=np.intp)).shape == (0, len(start[1]))


def test_a_finding_that_only_those_in_training_have_is_refused_in_true_words(cohort):
    cases = cohort[0].cases.copy()
    patients = np.unique(cases["patient_id"])
    fold = next(PublicImages.of(cohort[0]).folds())
    trained_on = next(patient for patient in patients if not fold[(cases["patient_id"] == patient).to_numpy()].any())
    for finding in cohort[0].findings:
        cases[finding] = (cases["patient_id"] == trained_on).astype(float)
    with pytest.raises(SpecError, match="among the fifth by whom the network is judged"):
        train_public_network(replace(cohort[0], cases=cases), "paper", encoders_dir=ENCODERS)


def test_too_few_public_patients_are_refused(make_cohort):
    cohort, _ = make_cohort(n_patients=6)
    with pytest.raises(SpecError, match="has 6 patients, and a public start needs 10"):
        train_public_network(cohort, "paper", encoders_dir=ENCODERS)
