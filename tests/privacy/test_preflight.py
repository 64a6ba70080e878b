"""Each check before training: silent where all is well, a reason and a way out where it is not."""

import math
from dataclasses import replace

import pytest

from dpmed_core.errors import LedgerError
from dpmed_core.phrases import epsilon_text
from dpmed_core.privacy.ledger.book import Cap
from dpmed_core.privacy.ledger.cap import PastCap
from dpmed_core.privacy.preflight import OwnEpsilon, PreflightFacts, checked_line, preflight, preflight_facts
from dpmed_core.runs.plan import plan_runs
from dpmed_core.settings import PRODUCT_DATA_DIR
from dpmed_core.training.accounting.gaussian_dp import gaussian_epsilon, gaussian_mu
from dpmed_core.training.recipes.catalogue import PAPER, PROBE, RECIPES, Normalisation
from dpmed_core.training.recipes.networks import NETWORKS
from dpmed_core.training.recipes.train_network import build_network
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit
from tests.small_runs import cohort, installation, settings

__all__ = ["cohort", "installation", "settings"]

DELTA = 1e-5


@pytest.fixture
def plan(installation, cohort):
    """Facts of runs on the small cohort: thirty-two patients of two images each."""

    def facts(epsilons=(1.0, 8.0), *, unit=PrivacyUnit.PATIENT, of=None, delta=None, **more) -> PreflightFacts:
        specs = plan_runs(of or cohort, key=installation.key, recipe="probe", epsilons=epsilons, n_seeds=1, delta=delta, unit=unit)
        return preflight_facts(installation.ledger, installation.encoders, of or cohort, specs, **more)

    return facts


def failed(facts):
    return {check.name: check for check in preflight(facts) if not check.ok}


def test_where_all_is_well_one_line_says_what_was_checked(plan):
    facts = plan()
    assert failed(facts) == {}
    line = checked_line(preflight(facts))
    assert line.startswith("Checked before training: unit (a patient with all images), δ (1e-05, below 1 in ")
    assert "normalisation (no normalisation layer" in line and "synthetic images only" in line and "no cap is set" in line


def test_runs_without_privacy_alone_are_not_checked(installation, cohort):
    specs = plan_runs(cohort, key=installation.key, recipe="probe", epsilons=[1.0], n_seeds=1, delta=None, unit=PrivacyUnit.PATIENT)
    alone = [spec for spec in specs if spec.privacy is None]
    assert alone and preflight_facts(installation.ledger, installation.encoders, cohort, alone) is None


def test_the_unit_image_says_what_each_budget_is_worth_to_the_patient_with_most_images(plan):
    facts = plan(unit=PrivacyUnit.IMAGE)
    for own in facts.own:
        assert own.epsilon == pytest.approx(gaussian_epsilon(2 * gaussian_mu(own.target), DELTA), rel=1e-9)
    said = failed(facts)["unit"].sentence()
    at_8 = epsilon_text(gaussian_epsilon(2 * gaussian_mu(PrivacyTarget(8.0, DELTA)), DELTA))
    assert "2 images" in said and f"ε = 1 is worth ε = 2.16 and ε = 8 is worth ε = {at_8}, at δ = 1e-05" in said
    assert "Choose the unit patient" in said and "AUC" not in said
    measured = failed(replace(facts, measured=0.9449))["unit"].sentence()
    assert "An attack that was measured here has an AUC of 0.94 on that patient." in measured


def test_the_unit_image_is_fine_where_nobody_has_two(plan, cohort, installation):
    single = replace(cohort, cases=cohort.cases.assign(patient_id=cohort.cases["case_id"]))
    facts = plan(unit=PrivacyUnit.IMAGE, of=single)
    assert failed(facts) == {} and "unit (one image, and no patient has more)" in checked_line(preflight(facts))


def test_where_patients_are_not_known_nothing_is_known_of_them(plan, cohort):
    said = failed(plan(unit=PrivacyUnit.IMAGE, of=replace(cohort, patients_known=False)))["unit"].sentence()
    assert "not known by how much" in said and "Import it again with patient_id" in said


def test_delta_must_be_below_one_in_n(plan):
    n = plan().n_units
    assert "δ" not in failed(plan(delta=0.99 / n))
    found = failed(plan(delta=1.01 / n))["δ"]
    assert f"is not below 1 in {n}" in found.reason and found.way_out == "Leave δ at 1e-05."


def test_normalisation_over_a_batch_is_named(plan):
    found = failed(replace(plan(), card=replace(PAPER, normalisation=Normalisation.BATCH)))["normalisation"]
    assert "mixes the patients of a batch" in found.reason and "group normalisation" in found.way_out
    assert failed(replace(plan(), card=PAPER)) == {}


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_recipes_say_which_normalisation_their_network_has(name):
    network = build_network(NETWORKS[name], n_findings=1, seed=0, encoders_dir=PRODUCT_DATA_DIR / "encoders")
    layers = {type(layer).__name__ for layer in network.modules() if "Norm" in type(layer).__name__}
    assert layers and all("GroupNorm" in layer for layer in layers)
    assert RECIPES[name].normalisation is Normalisation.GROUP


def test_a_linear_head_normalises_nothing():
    assert PROBE.normalisation is Normalisation.NONE


def test_an_encoder_that_may_know_these_patients_is_named(plan):
    caution = "Encoder mine was trained on nih-chestxray14, and this cohort was imported from it."
    found = failed(replace(plan(), caution=caution))["encoder"]
    assert found.reason == caution and "train without it" in found.way_out


def test_a_total_past_the_cap_is_refused_as_asking_would_refuse_it(plan, cohort, installation):
    installation.ledger.set_cap(epsilon=2.0, delta=DELTA, name="DPO", reason="test")
    assert failed(plan((1.0,))) == {} and "within the cap of ε = 2" in checked_line(preflight(plan((1.0,))))
    found = failed(plan((1.0, 8.0)))["total"]
    specs = plan_runs(cohort, key=installation.key, recipe="probe", epsilons=[1, 8], n_seeds=1, delta=None, unit=PrivacyUnit.PATIENT)
    with pytest.raises(LedgerError) as refused:
        installation.ledger.ask(cohort, specs)
    assert str(refused.value).endswith(f"{found.reason} {found.way_out}")
    assert found.sentence().startswith("With them ") and "What fits is one model of ε up to 2" in found.way_out


def test_the_total_is_that_of_all_models_together(plan):
    both = plan((1.0, 8.0)).total
    mu = math.hypot(*(gaussian_mu(PrivacyTarget(epsilon, DELTA)) for epsilon in (1.0, 8.0)))
    assert both.epsilon == pytest.approx(gaussian_epsilon(mu, both.delta), rel=1e-9)


def test_facts_alone_decide(plan):
    own = (OwnEpsilon(PrivacyTarget(1.0, DELTA), 6512.0, True),)
    facts = replace(
        plan(unit=PrivacyUnit.IMAGE), own=own, most_images=66, cap=Cap(1.0, DELTA, "a", "b", 0.0), past=PastCap("with it …", "Stop.")
    )
    assert "66 images" in failed(facts)["unit"].reason and "ε = 6,520" in failed(facts)["unit"].reason
    assert "reserved so in the ledger" in failed(facts)["unit"].reason
    assert failed(facts)["total"].sentence() == "With it … Stop."
