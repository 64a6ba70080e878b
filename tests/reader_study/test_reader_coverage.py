"""Coverage in small simulations; the full one is `python -m benchmarks reader-coverage` (docs/STATISTICS.md)."""

import numpy as np
import pytest
from scipy.stats import norm

from benchmarks.reader_coverage import AUROCS, STRUCTURES, Structure, coverage, draw, three_arms
from dpmed_core.reader_study.multi_reader.covariances import estimates

N_STUDIES = 600


@pytest.mark.parametrize("auroc", AUROCS)
def test_intervals_of_a_difference_hold_in_93_of_100_studies_of_4_readers_and_100_cases(auroc):
    """Within two Monte Carlo errors."""
    found = coverage(STRUCTURES["readers apart, cases alike"], auroc, 0.03, n_studies=N_STUDIES)
    assert found["coverage"] + 2 * found["error"] >= 0.93
    assert found["coverage of an arm"] + 2 * found["error"] >= 0.93
    assert found["refused"] == 0
    assert found["width"] < 0.3


def test_two_arms_are_compared_by_their_own_ratings_because_pooled_covariances_fail_where_arms_are_unlike():
    found = three_arms(STRUCTURES["readers apart, cases alike"], 0.85, n_studies=N_STUDIES)
    assert found["unlike, two arms"] > 0.915
    assert found["unlike, pooled"] < found["unlike, two arms"] - 0.02


def test_drawn_readers_have_the_mean_auroc_that_was_asked_for():
    """Over many readers and studies, within three standard errors of the studies' means."""
    means = [
        estimates(draw(np.random.default_rng(n), STRUCTURES["readers apart, cases apart"], (0.85, 0.8))).auroc.mean(axis=1)
        for n in range(400)
    ]
    error = np.std(means, axis=0) / np.sqrt(len(means))
    assert (np.abs(np.mean(means, axis=0) - (0.85, 0.8)) < 3 * error).all()


def test_without_chance_in_readers_and_cases_every_reader_has_the_same_auroc():
    still = Structure(reader=0, case=1, arm_by_reader=0, arm_by_case=0, reader_by_case=0, error=0)
    auroc = estimates(draw(np.random.default_rng(0), still, (norm.cdf(1), norm.cdf(1)))).auroc
    assert np.ptp(auroc) == 0
