import copy
import math
import pickle

import numpy as np
import pytest
from scipy.stats import kstest

from dpmed_core.training.dpsgd import secure_random
from dpmed_core.training.dpsgd.secure_random import SecureRandom

N_DRAWS = 200_000
ONE_IN_A_BILLION = 1e-9  # a test on true randomness fails so rarely


def test_normal_draws_follow_the_standard_normal_distribution():
    assert kstest(SecureRandom().normal((N_DRAWS,)), "norm").pvalue > ONE_IN_A_BILLION


def test_the_tails_of_normal_draws_are_as_heavy_as_they_must_be():
    draws = np.abs(SecureRandom().normal((N_DRAWS,)))
    for threshold in (2, 3):
        expected = math.erfc(threshold / math.sqrt(2)) * N_DRAWS
        assert abs((draws > threshold).sum() - expected) < 7 * math.sqrt(expected)


def test_neighbouring_normal_draws_are_uncorrelated():
    draws = SecureRandom().normal((N_DRAWS,))
    for lag in (1, 2, N_DRAWS // 2):
        assert abs(np.mean(draws[lag:] * draws[:-lag])) < 7 / math.sqrt(N_DRAWS - lag)


def test_uniform_draws_are_uniform_and_never_reach_the_ends():
    draws = SecureRandom().uniform((N_DRAWS,))
    assert kstest(draws, "uniform").pvalue > ONE_IN_A_BILLION
    assert draws.min() > 0 and draws.max() < 1


def test_bernoulli_draws_come_true_with_their_probability():
    assert abs(SecureRandom().bernoulli(0.03, N_DRAWS).mean() - 0.03) < 7 * math.sqrt(0.03 * 0.97 / N_DRAWS)


def test_every_number_is_chosen_equally_often_and_never_twice():
    random = SecureRandom()
    chosen = np.array([random.choice(5, 2) for _ in range(5000)])
    assert (chosen[:, 0] != chosen[:, 1]).all()
    assert np.abs(np.bincount(chosen.ravel(), minlength=5) - 2000).max() < 7 * math.sqrt(5000 * 0.4 * 0.6)


def test_two_sources_differ_and_one_source_never_repeats():
    one, other = SecureRandom(), SecureRandom()
    draws = np.concatenate([one.uniform((1000,)), one.uniform((1000,)), other.uniform((1000,))])
    assert len(np.unique(draws)) == 3000


def test_draws_have_the_shape_asked_for():
    random = SecureRandom()
    assert random.normal((2, 3)).shape == (2, 3)
    assert random.normal(()).shape == ()
    assert random.normal((0, 4)).shape == (0, 4)


@pytest.mark.parametrize("store", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_source_cannot_be_stored_or_copied(store):
    with pytest.raises(TypeError, match="used twice"):
        store(SecureRandom())


def test_a_keystream_begins_at_block_0_whatever_the_system_gives(monkeypatch):
    """A counter that began at random would overflow after any number of bytes, and end a training with an error."""
    monkeypatch.setattr(secure_random.os, "urandom", lambda n: b"\xff" * n)
    assert len(SecureRandom().uniform((10_000,))) == 10_000


def test_a_long_training_goes_on_under_a_new_key(monkeypatch):
    monkeypatch.setattr(secure_random, "MOST_BYTES", 8 * 1000)
    random = SecureRandom()
    draws = np.concatenate([random.uniform((400,)) for _ in range(5)])  # a new key after every second draw
    assert len(np.unique(draws)) == draws.size
    keys = []
    monkeypatch.setattr(secure_random.os, "urandom", lambda n: keys.append(n) or bytes(n))
    for _ in range(4):
        random.uniform((500,))
    assert keys == [32, 12] * 2
