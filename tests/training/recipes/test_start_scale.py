"""How much of a public start is kept: by the definition, under noise alone, and where the sums speak against it."""

import numpy as np
import pytest

from dpmed_core.training.recipes.start_scale import EVIDENCE, PACE, StartScale

START = np.array([2.0, 0.0])


def test_without_noise_the_share_follows_plain_descent_within_0_and_1():
    scale = StartScale(START, np.zeros(1), rate=0.1)
    assert np.array_equal(scale.weights, [[2.0], [0.0]])
    for total, share in ((4.0, 0.8), (10.0, 0.5), (100.0, 0.0)):
        fresh = StartScale(START, np.zeros(1), rate=0.1)
        assert fresh.after(np.array([[total], [5.0]])) == pytest.approx(np.array([[2.0 * share], [0.0]]))
        assert fresh.pace[0, 0] == pytest.approx(PACE + (1 - PACE) * (1 - share))
    assert scale.after(np.array([[-7.0], [0.0]]))[0, 0] == 2.0, "a start that fits is not made larger"


def test_a_finding_without_a_start_has_no_weight_and_learns_at_full_pace():
    scale = StartScale(START, np.ones(3), rate=0.1)
    for _ in range(5):
        assert (scale.after(np.full((2, 3), 50.0))[1] == 0).all()
    assert (scale.pace[1] == 1).all()


def test_by_the_definition_the_evidence_is_weighed_against_the_noise_of_all_steps():
    scale, noise, rate = StartScale(START[:1], np.array([3.0]), rate=0.01), 3.0, 0.01
    total = 0.0
    for step, each in enumerate([10.0, 14.0, -2.0, 9.0], start=1):
        total += each
        kept = max(0.0, 1 - (EVIDENCE * noise * np.sqrt(step) / total) ** 2)
        assert scale.after(np.array([[each]]))[0, 0] == pytest.approx(2 * (1 - kept * rate * total / 2))


def test_noise_alone_keeps_nearly_all_of_a_start_and_a_contradicted_one_is_given_up():
    rng, n_runs, steps = np.random.default_rng(0), 2000, 20
    shares = {}
    for name, drift in (("noise alone", 0.0), ("contradicted", 12.0)):
        scale = StartScale(START[:1], np.ones(n_runs), rate=0.05)
        for _ in range(steps):
            weights = scale.after(drift + rng.normal(size=(1, n_runs)))
        shares[name] = weights[0] / 2
    assert (shares["noise alone"] == 1).mean() > 0.95 and shares["noise alone"].mean() > 0.99
    assert shares["contradicted"].max() == 0
