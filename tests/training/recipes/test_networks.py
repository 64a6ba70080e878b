"""The recipes that train a network, from stored cases to stored scores, and their steps for patients with several scans."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from dpmed_core.cohort.schema import Part
from dpmed_core.errors import SpecError
from dpmed_core.explanations.methods import GRAD_CAM, methods_of
from dpmed_core.settings import PRODUCT_DATA_DIR
from dpmed_core.training.dpsgd.stepper import PrivateStepper
from dpmed_core.training.dpsgd.unit_index import Units
from dpmed_core.training.encoders.network_input import VOLUME_GRID, volume_tensor
from dpmed_core.training.encoders.radiograph_encoder import load_encoder
from dpmed_core.training.fitted import StoredModel
from dpmed_core.training.inference import rebuild
from dpmed_core.training.loop import unit_losses
from dpmed_core.training.recipes.catalogue import RECIPES, recipes_for
from dpmed_core.training.recipes.encoder_start import public_trunk
from dpmed_core.training.recipes.networks import NETWORKS, positions_read
from dpmed_core.training.recipes.train_network import build_network, plan_network, train_network
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit, RunSpec
from dpmed_core.training.train import train

ENCODERS = PRODUCT_DATA_DIR / "encoders"
FOR_VOLUMES = ["paper3d", "slices", "finetune3d"]
TOLERANCE = 1e-5
"""Of a sum of clipped gradients, relative to the clipping bound."""
pytestmark = pytest.mark.usefixtures("one_torch_thread")


def spec_for(cohort, recipe, epsilon, unit=PrivacyUnit.PATIENT):
    target = None if epsilon is None else PrivacyTarget(epsilon, 1e-5)
    return RunSpec(cohort.fingerprint, 0, recipe, RECIPES[recipe].version, unit, target, seed=3)


def shortened(name):
    return replace(NETWORKS[name], epochs=1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "epsilon"), [("paper3d", None), ("paper3d", 2.04), ("slices", None), ("slices", 2.04), ("finetune3d", 2.04)]
)
def test_a_stored_model_gives_the_stored_scores_bit_for_bit_and_of_a_volume_alone(
    name, epsilon, make_volumes, new_session, tmp_path, calibrations_dir
):
    cohort, split = make_volumes(6, most_images=1)  # a public network takes seconds a scan
    spec, folders = spec_for(cohort, name, epsilon), {"encoders_dir": ENCODERS, "calibrations_dir": calibrations_dir}
    model = train_network(shortened(name), spec, cohort, split, session=new_session(), **folders)
    rows = np.flatnonzero(split.parts != Part.TRAIN.value)
    scores = model.scores["score"].to_numpy().reshape(len(rows), -1)
    stored = StoredModel(model.result, {key: value.copy() for key, value in model.weights.items()}, tmp_path, cohort.modality)
    assert np.array_equal(rebuild(stored).score(cohort.images[rows]), scores)
    assert np.array_equal(rebuild(stored).score(cohort.images[rows[1:2]])[0], scores[1])
    assert len(np.unique(scores)) == scores.size


def test_a_plan_for_volumes_has_the_published_bound_and_batch_and_spends_at_most_the_target(make_volumes):
    spec = spec_for(make_volumes(2)[0], "paper3d", 2.04)
    settings, guarantee = plan_network(NETWORKS["paper3d"], spec, n_units=1138)
    assert settings.sample_rate == pytest.approx(128 / 1138)
    assert guarantee.epsilon <= 2.04 and guarantee.check_epsilon <= 2.04
    assert (guarantee.max_grad_norm, guarantee.unit, guarantee.steps) == (1.5, PrivacyUnit.PATIENT, settings.steps)


def test_a_plan_caches_its_calibration_in_the_folder_that_it_is_given_and_nowhere_else(make_volumes, tmp_path):
    recipe, spec = NETWORKS["paper3d"], spec_for(make_volumes(2)[0], "paper3d", 2.04)
    cached = plan_network(recipe, spec, n_units=1138, calibrations_dir=tmp_path)
    assert len(list(tmp_path.glob("*.json"))) == 2  # the noise, and its epsilon
    assert plan_network(recipe, spec, n_units=1138, calibrations_dir=None) == cached


@pytest.mark.parametrize("batches", [[(0, 3)], [(0, 1), (1, 3)]], ids=["at once", "micro-batched"])
@pytest.mark.parametrize("name", FOR_VOLUMES)
def test_a_step_sums_the_clipped_gradients_of_patients_with_several_scans(name, batches):
    recipe, scans_of = NETWORKS[name], [1, 3, 2]
    first = np.concatenate([[0], np.cumsum(scans_of)])
    generator = torch.Generator().manual_seed(1)
    model = begun(recipe)
    positions = positions_read(model, (16, 16, 16))
    scans = torch.randn(sum(scans_of), 1, *positions, generator=generator, dtype=torch.float64)
    labels = torch.tensor([[1, 0], [0, float("nan")], [1, 1], [0, 1], [float("nan"), 0], [1, 0]], dtype=torch.float64)
    gradients = [explicit_gradient(recipe, scans[a:b], labels[a:b]) for a, b in pairwise(first)]
    bound = float(torch.stack([g.norm() for g in gradients]).median())
    expected = sum(g * min(1, bound / float(g.norm())) for g in gradients)
    sgd = torch.optim.SGD(model.parameters(), lr=1.0)
    stepper = PrivateStepper(model, sgd, noise_multiplier=0.0, max_grad_norm=bound, expected_units=1.0)
    before = flat(model)
    for a, b in batches:
        part = slice(int(first[a]), int(first[b]))
        units = units_of(scans_of[a:b])
        stepper.accumulate(unit_losses(stepper.forward(scans[part], units), labels[part], units), units)
    stepper.finish()
    assert float((before - flat(model) - expected).norm()) <= TOLERANCE * bound


def explicit_gradient(recipe, scans, labels):
    """The gradient of one patient, by ordinary back-propagation of the mean loss over the patient's scans, finding by finding."""
    model = begun(recipe)
    losses = torch.nn.functional.binary_cross_entropy_with_logits(model(scans), labels.nan_to_num(), reduction="none")
    known = ~labels.isnan()
    sum(losses[known[:, k], k].mean() for k in range(2)).backward()
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.requires_grad])


def begun(recipe):
    """A small network of the recipe in double precision, with a head that is not 0: all that is trained has a gradient."""
    small = replace(recipe, build=recipe.build_small or recipe.build)
    model = build_network(small, n_findings=2, seed=1, encoders_dir=ENCODERS).double()
    torch.nn.init.normal_(model.head.weight, generator=torch.Generator().manual_seed(2))
    return model


def units_of(counts):
    return Units(torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts)), len(counts))


def flat(model):
    return torch.cat([p.detach().flatten() for p in model.parameters() if p.requires_grad]).clone()


def test_volumes_are_windowed_before_they_are_averaged_and_each_separately():
    volumes = np.full((2, 64, 96, 96), -160, np.int16)
    volumes[0, ::2] = 3000  # bone in every second slice, the rest at the window's lower end
    volumes[1] = 40
    seen = volume_tensor(volumes)
    assert seen.shape == (2, 1, *VOLUME_GRID)
    assert seen[0].unique().tolist() == [0.0] and seen[1].unique().tolist() == [0.0]
    assert torch.equal(volume_tensor(volumes[1:]), seen[1:])
    assert volume_tensor(np.full((1, 64, 96, 96), -1000, np.int16)).unique().tolist() == [-2.0]


def test_a_recipe_takes_its_modality_and_no_other(make_cohort, make_volumes, new_session, tmp_path):
    wrong = (
        (make_cohort, "paper3d", "paper3d takes CT volumes"),
        (make_volumes, "paper", "holds CT volumes: choose .*paper3d or slices or finetune3d"),
    )
    for make, name, message in wrong:
        cohort, split = make()
        with pytest.raises(SpecError, match=message):
            folders = dict.fromkeys(("features_dir", "encoders_dir", "calibrations_dir"), tmp_path)
            train(spec_for(cohort, name, None), cohort, split, session=new_session(), **folders)
        assert RECIPES[name].name not in recipes_for(cohort.modality)


@pytest.mark.parametrize("epsilon", [None, 8.0])
def test_fine_tuning_starts_from_the_public_encoder_and_trains_head_and_last_normalisation_alone(
    make_cohort, new_session, epsilon, calibrations_dir
):
    cohort, split = make_cohort(18)
    session = new_session()
    spec, folders = spec_for(cohort, "finetune", epsilon), {"encoders_dir": ENCODERS, "calibrations_dir": calibrations_dir}
    model = train_network(shortened("finetune"), spec, cohort, split, session=session, **folders)
    public = load_encoder(ENCODERS, cohort.modality).networks["narrow"].state_dict()
    changed = {
        name for name, weight in model.weights.items() if name.startswith("head.") or not np.array_equal(weight, public[name].numpy())
    }
    assert changed == {
        *("head.weight", "head.bias"),
        *(f"stages.3.{block}.1.{own}" for block in ("0", "1.blocks.0", "1.blocks.1") for own in ("weight", "bias")),
    }
    assert model.result.n_parameters == sum(model.weights[name].size for name in changed) < 2000
    assert {name for name in session.saved[-1].tensors if name.startswith("optimizer")} != set()


def test_a_fine_tuned_run_goes_on_from_its_checkpoint(make_cohort, new_session):
    cohort, split = make_cohort(18)
    spec, recipe = spec_for(cohort, "finetune", None), replace(NETWORKS["finetune"], largest_sample_rate=1.0, images_per_unit=9)
    whole, half = new_session(), new_session()
    options = {"encoders_dir": ENCODERS, "calibrations_dir": None}
    expected = train_network(replace(recipe, epochs=4), spec, cohort, split, session=whole, **options)
    train_network(replace(recipe, epochs=2), spec, cohort, split, session=half, **options)
    resumed = train_network(replace(recipe, epochs=4), spec, cohort, split, session=new_session(checkpoint=half.saved[-1]), **options)
    assert all(np.array_equal(resumed.weights[name], weight) for name, weight in expected.weights.items())


def test_fine_tuning_in_3d_trains_head_and_last_normalisations_alone_and_stores_what_stands_before(
    make_volumes, new_session, calibrations_dir, tmp_path
):
    cohort, split = make_volumes(6, most_images=1)
    spec, session = spec_for(cohort, "finetune3d", 8.0), new_session()
    folders = {"encoders_dir": ENCODERS, "calibrations_dir": calibrations_dir, "features_dir": tmp_path}
    # Nearly every patient in every step: a head of 0 passes no gradient on, so that two steps must have patients in them.
    recipe = replace(NETWORKS["finetune3d"], epochs=4, largest_sample_rate=0.9)
    model = train_network(recipe, spec, cohort, split, session=session, **folders)
    start = build_network(NETWORKS["finetune3d"], n_findings=2, seed=3, encoders_dir=ENCODERS).state_dict()
    trunk = {f"trunk.{name}": weight for name, weight in public_trunk(ENCODERS).state_dict().items()}
    assert model.weights.keys() == start.keys() | trunk.keys()
    changed = {name for name, weight in model.weights.items() if not np.array_equal(weight, (start | trunk)[name].numpy())}
    assert changed == {
        *("head.weight", "head.bias"),
        *(f"kinds.{network}.inner.{layer}.1.{own}" for network in "01" for layer in "01" for own in ("weight", "bias")),
    }
    assert model.result.n_parameters == sum(model.weights[name].size for name in changed) < 2000
    assert len(list(tmp_path.glob("*trunk*.npy"))) == 1
    assert not any("trunk" in name for name in session.saved[-1].tensors)


def test_a_fine_tuned_3d_model_can_be_explained_over_the_whole_volume(make_volumes, new_session):
    cohort, split = make_volumes(6, most_images=1)
    options = {"session": new_session(), "encoders_dir": ENCODERS, "calibrations_dir": None}
    model = train_network(shortened("finetune3d"), spec_for(cohort, "finetune3d", None), cohort, split, **options)
    head = np.random.default_rng(0).normal(size=model.weights["head.weight"].shape).astype(np.float32)
    fitted = rebuild(StoredModel(model.result, {**model.weights, "head.weight": head}, ENCODERS, cohort.modality))
    explainable, untrained = fitted.explainable(), fitted.untrained(7)
    inputs = explainable.to_input(cohort.images[:1]).requires_grad_()
    logits = explainable.network(inputs)
    assert torch.sigmoid(logits).detach().numpy() == pytest.approx(fitted.score(cohort.images[:1]), abs=1e-5)
    logits[0, 0].backward()
    assert inputs.grad.shape == inputs.shape and (inputs.grad != 0).float().mean() > 0.5
    assert explainable.cam_layer is None and GRAD_CAM not in methods_of("finetune3d")
    assert not torch.allclose(untrained.network(inputs), logits)


@pytest.mark.parametrize("recipe", NETWORKS.values(), ids=NETWORKS)
def test_a_card_counts_what_a_run_stores(recipe):
    stored = [recipe.build(n_out=14), *([recipe.trunk.build()] if recipe.trunk else [])]
    assert sum(tensor.numel() for network in stored for tensor in network.state_dict().values()) == recipe.card.n_parameters
