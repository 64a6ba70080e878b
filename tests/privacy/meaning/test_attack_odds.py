"""What a guarantee means, against closed forms and dp-accounting; and never more protection for more epsilon, delta or images."""

import math

import numpy as np
import pytest
from dp_accounting.pld import privacy_loss_distribution as pld
from scipy.optimize import brentq
from scipy.stats import norm

from dpmed_core.errors import SpecError
from dpmed_core.privacy.meaning.attack_odds import attack_odds, gaussian_odds
from dpmed_core.privacy.meaning.mechanism_curve import tradeoff_of
from dpmed_core.privacy.meaning.protected_unit import ProtectedUnit, mechanism_of_target, mu_of
from dpmed_core.privacy.meaning.sentences import odds_sentences
from dpmed_core.training.accounting.pld import Mechanism
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit

PATIENT = ProtectedUnit(PrivacyUnit.PATIENT)
SAMPLED = ((7.0868, 0.114286, 263), (1.3582, 0.114286, 263), (0.8, 0.02, 500))
"""Noise multiplier, sample rate and steps: epsilon of about 1, 8 and 5 at delta 1e-5."""


def odds_of(epsilon, delta=1e-5, images=1):
    protected = ProtectedUnit(PrivacyUnit.IMAGE, images) if images > 1 else PATIENT
    mechanism = mechanism_of_target(PrivacyTarget(epsilon, delta), protected)
    return attack_odds(tradeoff_of(mechanism), mu_of(mechanism))


def mu_by_definition(epsilon, delta):
    """Balle & Wang 2018, theorem 8, solved without DPMed."""

    def left(mu):
        return norm.cdf(mu / 2 - epsilon / mu) - math.exp(epsilon) * norm.cdf(-mu / 2 - epsilon / mu) - delta

    return brentq(left, 1e-3, 50, xtol=1e-13)


@pytest.mark.parametrize(("epsilon", "right"), [(1.0, 55.3), (8.0, 79.8)])
def test_the_best_attacker_guesses_this_many_of_100_right(epsilon, right):
    assert round(odds_of(epsilon).guess_right, 1) == right


@pytest.mark.parametrize("epsilon", [0.1, 0.3, 1.0, 3.0, 8.0, 20.0])
@pytest.mark.parametrize("delta", [1e-7, 1e-5, 1e-3])
def test_a_gaussian_mechanism_has_the_closed_forms(epsilon, delta):
    odds, mu = odds_of(epsilon, delta), mu_by_definition(epsilon, delta)
    assert odds.mu == pytest.approx(mu, abs=1e-6)
    assert odds.guess_right / 100 == pytest.approx(norm.cdf(mu / 2), abs=1e-6)
    assert odds.tpr_at_1pct == pytest.approx(norm.cdf(norm.ppf(0.01) + mu), abs=1e-6)
    assert odds.tpr_at_01pct == pytest.approx(norm.cdf(norm.ppf(0.001) + mu), abs=1e-6)
    for one in odds.reconstruction:
        assert one.at_most == pytest.approx(norm.cdf(norm.ppf(one.prior) + mu), abs=1e-6)
    alphas, betas = np.array(odds.curve).T
    assert betas == pytest.approx(norm.cdf(norm.ppf(1 - alphas) - mu), abs=1e-6)
    assert alphas[0] == 0 and betas[0] == 1 and alphas[-1] == 1 and betas[-1] == 0


def test_the_posterior_is_that_of_bayes():
    odds = gaussian_odds(1.0, priors=[0.2])
    first = odds.posterior[0]
    assert first.at_most == pytest.approx(0.2 * odds.tpr_at_1pct / (0.2 * odds.tpr_at_1pct + 0.8 * 0.01))


def test_nothing_is_computed_from_epsilon_alone():
    """e^epsilon / (1 + e^epsilon) of the guesses would be 73.1 for epsilon 1, far from what a Gaussian mechanism allows."""
    assert odds_of(1.0).guess_right < 100 * math.e / (1 + math.e) - 15


@pytest.mark.parametrize(("noise", "rate", "steps"), SAMPLED)
def test_sampled_steps_have_the_total_variation_of_dp_accounting(noise, rate, steps):
    mechanism = Mechanism(noise, rate, steps)
    odds = attack_odds(tradeoff_of(mechanism), mu_of(mechanism))
    theirs = pld.from_gaussian_mechanism(noise, sampling_prob=rate, value_discretization_interval=1e-4).self_compose(steps)
    assert odds.guess_right / 100 == pytest.approx((1 + theirs.get_delta_for_epsilon(0.0)) / 2, abs=1e-3)


@pytest.mark.parametrize(("noise", "rate", "steps"), SAMPLED)
def test_sampled_steps_have_the_error_rates_of_the_best_test_by_dp_accounting(noise, rate, steps):
    """The best test by Neyman and Pearson, from the distribution of the privacy loss itself, accuses from the largest loss down."""
    curve = tradeoff_of(Mechanism(noise, rate, steps))
    theirs = pld.from_gaussian_mechanism(noise, sampling_prob=rate, value_discretization_interval=1e-4).self_compose(steps)
    best = []
    for pmf in (theirs._pmf_remove, theirs._pmf_add):
        dense = pmf.to_dense_pmf()
        losses = (dense._lower_loss + np.arange(dense._probs.size)) * dense._discretization
        found, accused = np.cumsum(dense._probs[::-1]), np.cumsum((dense._probs * np.exp(-losses))[::-1])
        best.append([np.interp(alpha, accused, found) for alpha in (0.001, 0.01, 0.1, 0.5)])
    ours = 1 - curve.misses(np.array([0.001, 0.01, 0.1, 0.5]))
    assert ours == pytest.approx(np.maximum(*best), abs=1e-3)


def test_one_sampled_step_has_the_curve_in_closed_form():
    """For one step the likelihood ratio rises with the output, so that the best test is a threshold; the other direction is its inverse."""
    noise, rate = 0.7, 0.3
    curve, x = tradeoff_of(Mechanism(noise, rate, 1)), np.linspace(-5, 6, 4001)
    accused = norm.sf(x / noise)
    missed = (1 - rate) * norm.cdf(x / noise) + rate * norm.cdf((x - 1) / noise)
    for alpha in (0.01, 0.05):
        direct, inverse = np.interp(alpha, accused[::-1], missed[::-1]), np.interp(alpha, missed, accused)
        assert float(curve.misses(alpha)) == pytest.approx(min(direct, inverse), abs=1e-3)


def measures(odds):
    return np.array([odds.mu, odds.guess_right, odds.tpr_at_1pct, odds.tpr_at_01pct, *(r.at_most for r in odds.reconstruction)])


@pytest.mark.parametrize("varied", ["epsilon", "delta", "images"])
def test_more_epsilon_more_delta_and_more_images_never_protect_better(varied):
    rng = np.random.default_rng(3)
    for _ in range(40):
        epsilon, delta, images = float(rng.uniform(0.05, 10)), float(10 ** rng.uniform(-9, -3)), int(rng.integers(1, 9))
        more = {"epsilon": epsilon * 1.3, "delta": delta * 3, "images": images + int(rng.integers(1, 5))}[varied]
        less_private = {**{"epsilon": epsilon, "delta": delta, "images": images}, varied: more}
        assert (measures(odds_of(**less_private)) >= measures(odds_of(epsilon, delta, images))).all()


def test_a_patient_with_more_sampled_images_is_protected_less():
    of_k = [attack_odds(tradeoff_of(m), 0.0) for m in (Mechanism(4.0, 0.05, 200, k) for k in (1, 2, 5, 9))]
    found = [odds.tpr_at_1pct for odds in of_k]
    assert found == sorted(found) and found[0] < found[-1]
    assert of_k[3].guess_right == pytest.approx(
        100 * norm.cdf(9 * math.sqrt(200) / 4 / 2), abs=1e-6
    )  # beyond eight images without sampling


def test_k_images_are_k_times_the_mu():
    assert odds_of(1.0, images=5).mu == pytest.approx(5 * odds_of(1.0).mu, rel=1e-12)


def test_the_curve_is_convex_and_never_above_blind_guessing():
    for mechanism in (Mechanism(2.0, 1.0, 4), Mechanism(1.3582, 0.114286, 263)):
        alphas, betas = np.array(attack_odds(tradeoff_of(mechanism), 1.0).curve).T
        slopes = np.diff(betas) / np.diff(alphas)
        assert (np.diff(slopes) > -1e-6).all() and (betas <= 1 - alphas + 1e-12).all()


@pytest.mark.parametrize("prior", [0.0, 1.0, -0.1, float("nan")])
def test_a_prior_that_is_no_chance_is_refused(prior):
    with pytest.raises(SpecError, match="is no chance"):
        gaussian_odds(1.0, priors=[prior])


def test_images_are_refused_where_the_unit_is_the_patient():
    with pytest.raises(SpecError, match="leave out --images"):
        ProtectedUnit(PrivacyUnit.PATIENT, 3)
    with pytest.raises(SpecError, match="from 1 on"):
        ProtectedUnit(PrivacyUnit.IMAGE, 0)


def test_words_round_up_and_name_no_epsilon():
    sentences = odds_sentences(odds_of(1.0))
    assert "at most 55.4 right; without the model it would be 50" in sentences[0]
    assert "at most 1.98 in 100" in sentences[1] and "ε" not in " ".join(sentences)
