"""The audit passes a network's steps as shipped and catches each broken version; its canaries are units like any other."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import binom, chi2, norm

from benchmarks import step_audit
from benchmarks.step_audit import VERSIONS, audited, narrow
from benchmarks.step_mutants import MUTANTS
from dpmed_core.privacy.audit.sentences import audit_sentences
from dpmed_core.privacy.audit.step_audit import audit_steps, judged
from dpmed_core.privacy.audit.step_tests import chi2_deviates, guesses, guesses_test, noise_test, reuse_test, scores, shift_test
from dpmed_core.settings import PRODUCT_DATA_DIR
from dpmed_core.training import dirac_canaries
from dpmed_core.training.dirac_canaries import ObservedSteps, WithCanaries, canary_data, observe_training
from dpmed_core.training.dpsgd.unit_gradients import UnitGradientModule
from dpmed_core.training.dpsgd.unit_index import Units
from dpmed_core.training.loop import unit_losses
from dpmed_core.training.networks.models import ResNet9, initial_weights
from dpmed_core.training.recipes.networks import NETWORKS
from dpmed_core.training.recipes.train_network import build_network

ERROR = 0.005


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("dimensions", ["2D", "3D"])
def test_steps_as_shipped_are_hardly_ever_called_inconsistent(dimensions):
    assert audited("as shipped", dimensions, n_audits=4)["inconsistent"] <= 2  # one in fifty is by chance


@pytest.mark.parametrize(("name", "dimensions"), [(name, d) for name in MUTANTS for d in ("2D", "3D")])
def test_a_broken_step_is_caught(name, dimensions):
    assert audited(name, dimensions, n_audits=1)["inconsistent"] == 1


def test_every_version_is_in_the_table():
    assert VERSIONS.keys() == {"as shipped", *MUTANTS} and len(MUTANTS) == 8


@pytest.fixture(scope="module")
def seen():
    recipe, guarantee = narrow("2D")
    about = {"steps": guarantee.steps, "n_findings": 2, "n_canaries": 400, "canary_images": 3, "encoders_dir": Path(), "side": 8}
    return observe_training(recipe, guarantee, **about), guarantee


def test_canaries_add_one_bound_whenever_they_are_sampled(monkeypatch):
    """Without noise the sums are what was sampled: 1, up to the rounding margin, for a canary that is in, and 0 for all others."""
    recipe, guarantee = narrow("2D")
    monkeypatch.setattr("dpmed_core.training.dpsgd.stepper.add_gaussian_noise", lambda total, **_: total)
    about = {"steps": 6, "n_findings": 2, "n_canaries": 300, "canary_images": 3, "encoders_dir": Path(), "side": 8}
    found = observe_training(recipe, guarantee, **about)
    assert (found.canaries[:, ~found.inside] == 0).all() and (found.squares == 0).all()
    added = found.canaries[:, found.inside]
    # Twice rounded to single precision: in the division by the constant, and in the sum.
    assert (np.isclose(added, 1, rtol=2e-5, atol=0) | (added == 0)).all() and added.max() <= 1 + 1e-6
    expected = guarantee.sample_rate * added.size
    assert abs((added > 0).sum() - expected) < 6 * np.sqrt(expected)


def test_a_canarys_gradient_is_one_entry_far_above_the_bound():
    inside = np.array([True, False, True])
    data = canary_data(inside, canary_images=2, positions=(8, 8), n_findings=2)
    assert [len(rows) for rows in data.images_of] == [2, 1, 2] and data.images.shape == (5, 1, 8, 8)
    model = WithCanaries(initial_weights(0, ResNet9, width=0.01, n_out=2), n_canaries=3, scale=500.0)
    module, units = UnitGradientModule(model), Units(torch.tensor([0, 0, 1, 2, 2]), 3)
    unit_losses(module(data.images, units), data.labels, units).sum().backward()
    seen = []
    sums = module.clipped_sums(units, lambda norms: seen.append(norms) or torch.ones_like(norms))
    assert seen[0].tolist() == pytest.approx([500, 0, 500], rel=1e-5)  # scale / 2 for each of two findings
    assert sums["canaries.weight"].flatten().tolist() == pytest.approx([500, 0, 500])
    assert all(not total.any() for name, total in sums.items() if name != "canaries.weight")


def test_the_networks_own_parameters_receive_noise_alone(seen):
    found, guarantee = seen
    freedom = len(found.canaries) * found.sizes.sum()
    assert found.squares.sum() / guarantee.noise_multiplier**2 / freedom == pytest.approx(1, abs=6 * np.sqrt(2 / freedom))
    assert found.squares.shape == (guarantee.steps, len(found.sizes)) and 0.3 < found.inside.mean() < 0.7


def test_what_is_seen_is_judged_and_said(seen):
    found = judged(*seen, began=0.0)
    assert found.claimed_mu == pytest.approx(0.2811, abs=1e-3) and found.guesses_allowed < norm.cdf(found.claimed_mu / 2) + 1e-6
    assert 0 <= found.lower_bound_mu < found.claimed_mu + 0.5 and (found.steps, found.of_steps, found.n_canaries) == (12, 12, 400)
    said = " ".join(audit_sentences(found))
    assert "watched at all 12 steps" in said and "cannot prove" in said


def test_a_large_budget_is_partly_proven():
    _, guarantee = narrow("3D")
    rng = np.random.default_rng(0)
    inside = rng.random(3000) < 0.5
    sums = guarantee.noise_multiplier * rng.standard_normal((guarantee.steps, 3000))
    sums += inside * (rng.random(sums.shape) < guarantee.sample_rate)
    sizes = np.array([10_000])
    squares = guarantee.noise_multiplier**2 * rng.chisquare(10_000, (guarantee.steps, 1))
    found = judged(ObservedSteps(sums, inside, squares, sizes), guarantee, began=0.0)
    assert found.consistent and 0.4 * found.claimed_mu < found.lower_bound_mu < found.claimed_mu
    assert 0.6 < found.guessed_right < found.guesses_allowed + 0.02


@pytest.mark.parametrize("recipe", ["paper", "paper3d", "slices", "finetune3d"])
def test_the_recipes_own_networks_take_the_canaries(recipe, monkeypatch):
    monkeypatch.setattr("dpmed_core.privacy.audit.step_audit.MOST_STEPS", 2)
    _, guarantee = narrow("2D")
    done = []
    found = audit_steps(
        recipe, guarantee, n_findings=2, encoders_dir=PRODUCT_DATA_DIR / "encoders", n_canaries=60, progress=lambda *at: done.append(at)
    )
    assert (found.steps, found.of_steps) == (2, 12)
    network = build_network(NETWORKS[recipe], n_findings=2, seed=0, encoders_dir=PRODUCT_DATA_DIR / "encoders")
    freedom = found.steps * sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
    assert found.noise_ratio == pytest.approx(1, abs=6 * np.sqrt(2 / freedom))
    assert done[-1] == (2, 2)
    assert "the first 2 of 12 steps" in " ".join(audit_sentences(found))


def test_nothing_is_left_watching(seen):
    from torch.optim import optimizer

    assert not optimizer._global_optimizer_pre_hooks


def test_images_of_a_canary_follow_the_unit(seen):
    assert step_audit.CANARY_IMAGES > 1
    assert judged(*seen, began=0.0).canary_images == step_audit.CANARY_IMAGES
    assert dirac_canaries.SIDE == 16


# The tests by themselves, on made-up sums.


def failures(test, n=400):
    return sum(bool(test(np.random.default_rng([7, i]))) for i in range(n))


def noise_of(rng, *, steps=20, sizes=(6, 300, 3000), factor=1.0):
    return factor * rng.chisquare(sizes, (steps, len(sizes))) * 4.0, np.array(sizes)


def test_noise_as_claimed_seldom_fails_and_other_noise_does():
    def fails(rng, **how):
        return noise_test(*noise_of(rng, **how), noise_multiplier=2.0, error=0.05).fails

    assert failures(fails) <= 400 * 0.05 + 3 * np.sqrt(400 * 0.05)
    assert failures(lambda rng: fails(rng, factor=1.1), 50) == 50
    assert failures(lambda rng: fails(rng, factor=1 + 0.15 * np.where(np.arange(20) % 2, 1, -1)[:, None]), 50) == 50, "from step to step"
    assert failures(lambda rng: fails(rng, factor=np.array([0.0, 1, 1])), 50) == 50, "one small parameter without"


def test_the_ratio_is_the_variance_over_the_claimed_one():
    found = noise_test(*noise_of(np.random.default_rng(1), factor=0.25, steps=500), noise_multiplier=2.0, error=ERROR)
    assert found.ratio == pytest.approx(0.25, abs=0.002) and found.least_ratio <= found.ratio


@pytest.mark.parametrize("freedom", [1500, 100_000])
def test_deviates_of_chi_squared_are_scipys(freedom):
    sums = chi2.isf([0.999, 0.9, 0.5, 0.1, 0.001], freedom)
    assert chi2_deviates(sums, freedom) == pytest.approx(norm.isf([0.999, 0.9, 0.5, 0.1, 0.001]), abs=2e-3)


def sums_of(rng, *, steps=12, m=500, noise=2.0, q=0.25, added=1.0):
    inside = rng.random(m) < 0.5
    return noise * rng.standard_normal((steps, m)) + added * inside * (rng.random((steps, m)) < q), inside


def test_what_canaries_may_add_seldom_fails_and_more_does():
    def fails(rng, added):
        return shift_test(*sums_of(rng, added=added), sample_rate=0.25, error=0.05)[2]

    assert failures(lambda rng: fails(rng, 1.0)) <= 400 * 0.05 + 3 * np.sqrt(400 * 0.05)
    assert failures(lambda rng: fails(rng, 2.0), 50) >= 48
    ratio, error, _ = shift_test(*sums_of(np.random.default_rng(2), m=200_000, added=0.5), sample_rate=0.25, error=ERROR)
    assert ratio == pytest.approx(0.5, abs=4 * error) and error < 0.02


def test_independent_noise_seldom_fails_and_one_repeated_step_does():
    assert failures(lambda rng: reuse_test(rng.standard_normal((20, 300)), error=0.05)[1]) <= 400 * 0.05 + 3 * np.sqrt(400 * 0.05)

    def repeated(rng):
        noise = rng.standard_normal((20, 300))
        noise[17] = noise[2]
        return reuse_test(noise, error=ERROR)[1]

    assert failures(repeated, 20) == 20
    assert reuse_test(np.ones((1, 9)), error=ERROR) == (0.0, False)


def test_the_score_is_the_log_likelihood_ratio():
    sums = np.random.default_rng(3).normal(0.3, 1.5, (7, 4))
    q, s = 0.2, 1.5
    expected = np.log(((1 - q) * norm.pdf(sums, 0, s) + q * norm.pdf(sums, 1, s)) / norm.pdf(sums, 0, s)).sum(axis=0)
    assert scores(sums, noise=s, sample_rate=q) == pytest.approx(expected)


def test_guesses_use_the_best_cut_of_a_third_on_the_others():
    rng = np.random.default_rng(4)
    inside = rng.random(3000) < 0.5
    right, of = guesses(rng.standard_normal(3000) + 2 * inside, inside)
    assert of == 2000 and right / of == pytest.approx(norm.cdf(1), abs=0.03)
    assert guesses(np.where(inside, 1.0, 0.0), inside) == (2000, 2000)


def test_the_test_of_guesses_is_the_binomial_test():
    for right in (50, 58, 59, 60):
        assert guesses_test(right, 100, allowed=0.5, error=0.05) == (binom.sf(right - 1, 100, 0.5) < 0.05)
