"""The cumulative privacy loss of all runs on a cohort's patients."""

import math
from dataclasses import asdict, replace

import pytest

from dpmed_core.runs.spending import accounted_mechanisms, cumulative_privacy_loss, privacy_loss_sentence, with_unplanned_runs
from dpmed_core.runs.status import Progress, RunState
from dpmed_core.training.accounting.full_batch import guarantee_full_batch
from dpmed_core.training.accounting.gaussian_dp import gaussian_epsilon
from dpmed_core.training.result import NEIGHBORING_RELATION
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit, RunSpec

STEPS = 20
NOISE = 12.0


@pytest.fixture
def guarantee():
    return guarantee_full_batch(
        PrivacyTarget(8, 1e-5), noise_multiplier=NOISE, steps=STEPS, max_grad_norm=0.3, unit=PrivacyUnit.PATIENT, n_units=80
    )


@pytest.fixture
def begun(installation, cohort, guarantee):
    """Asks for a run and writes what its attempts did."""

    def ask(seed, *events, unit=PrivacyUnit.PATIENT, private=True, fingerprint=None):
        target = PrivacyTarget(8, 1e-5) if private else None
        spec = RunSpec(fingerprint or cohort.fingerprint, 0, "probe", 2, unit, target, seed)
        status = installation.runs.ask(spec, cohort_name=cohort.name)
        planned = asdict(replace(guarantee, unit=unit)) if private else None
        for event, steps in events:
            facts = {"guarantee": planned} if event == "planned" else {"step" if event in ("checkpoint", "resumed") else "steps": steps}
            installation.runs.record(status.run_id, event, **facts)
        return status

    return ask


def steps_charged(installation, status):
    return sum(m.steps for m in accounted_mechanisms(installation.runs, status, most_images=2))


def mu(steps):
    return math.sqrt(steps) / NOISE


@pytest.mark.parametrize(
    ("events", "steps"),
    [
        ([], 0),
        ([("planned", 0)], STEPS),  # open: what it plans
        ([("planned", 0), ("checkpoint", 8), ("finished", STEPS)], STEPS),
        ([("planned", 0), ("checkpoint", 8), ("cancelled", 11)], 11),
        ([("planned", 0), ("failed", 5), ("planned", 0), ("finished", STEPS)], STEPS + 5),
        # Killed: what followed the last durable checkpoint was never shown; the steps in its place count.
        ([("planned", 0), ("checkpoint", 8), ("planned", 0), ("resumed", 8), ("finished", STEPS)], STEPS),
        ([("planned", 0), ("planned", 0), ("finished", STEPS)], STEPS),
        # A recipe without checkpoints, or a result that was about to be stored, counts whole however the attempt ended.
        ([("planned", 0), ("charged", STEPS), ("failed", 0)], STEPS),
        ([("planned", 0), ("charged", STEPS), ("planned", 0), ("charged", STEPS), ("finished", STEPS)], 2 * STEPS),
        ([("planned", 0), ("checkpoint", 8), ("planned", 0), ("resumed", 8), ("charged", STEPS), ("failed", STEPS)], STEPS),
        # A second draw of the same run: damaged and trained again; removed, imported again and cancelled at step 5.
        ([("planned", 0), ("finished", STEPS), ("retry-asked", 0), ("planned", 0), ("finished", STEPS)], 2 * STEPS),
        ([("planned", 0), ("checkpoint", 8), ("finished", STEPS), ("withdrawn", 0), ("planned", 0), ("cancelled", 5)], STEPS + 5),
        ([("planned", 0), ("checkpoint", 8), ("withdrawn", 0), ("planned", 0), ("finished", STEPS)], STEPS + 8),
        # Cancelled before it planned anything: nothing was spent, and the earlier attempts stay as they are.
        ([("planned", 0), ("finished", STEPS), ("cancelled", 0)], STEPS),
        ([("planned", 0), ("checkpoint", 8), ("cancelled", 11), ("planned", 0), ("resumed", 8), ("finished", STEPS)], STEPS + 3),
    ],
)
def test_every_step_that_may_have_been_seen_is_charged(installation, begun, events, steps):
    assert steps_charged(installation, begun(0, *events)) == steps


def test_each_draw_of_one_run_is_a_model_of_its_own(installation, cohort, begun):
    begun(0, *[("planned", 0), ("charged", STEPS), ("finished", STEPS), ("retry-asked", 0)] * 3)
    total = cumulative_privacy_loss(installation.runs, cohort, delta=1e-5)
    assert total.n_private == 3
    assert total.epsilon == pytest.approx(gaussian_epsilon(mu(3 * STEPS), 1e-5), rel=1e-9)


def test_finished_cancelled_and_open_runs_compose(installation, cohort, begun):
    begun(0, ("planned", 0), ("finished", STEPS))
    begun(1, ("planned", 0), ("cancelled", 5))
    begun(2, ("planned", 0))
    total = cumulative_privacy_loss(installation.runs, cohort, delta=1e-5)
    assert total.epsilon == pytest.approx(gaussian_epsilon(mu(2 * STEPS + 5), 1e-5), rel=1e-9)
    assert (total.n_private, total.n_uncounted, total.n_non_private) == (3, 0, 0)


def test_planned_runs_are_added_to_the_cumulative_privacy_loss(installation, cohort, begun, guarantee):
    begun(0, ("planned", 0), ("finished", STEPS))
    before = cumulative_privacy_loss(installation.runs, cohort, delta=1e-5)
    after = cumulative_privacy_loss(installation.runs, cohort, delta=1e-5, planned=[guarantee] * 3)
    assert after.epsilon == pytest.approx(gaussian_epsilon(mu(4 * STEPS), 1e-5), rel=1e-9)
    assert before.epsilon < after.epsilon < 4 * before.epsilon


def test_targets_alone_add_up(installation, cohort, begun):
    begun(0, ("planned", 0), ("finished", STEPS))
    before = cumulative_privacy_loss(installation.runs, cohort, delta=1e-5)
    patient, image = (
        [RunSpec("f", 0, "paper", 1, unit, PrivacyTarget(*target), 0) for target in ((2, 1e-5), (3, 1e-6))]
        for unit in (PrivacyUnit.PATIENT, PrivacyUnit.IMAGE)
    )
    after = with_unplanned_runs(before, patient)
    assert with_unplanned_runs(before, image).epsilon == math.inf
    assert with_unplanned_runs(before, []) == before
    assert (after.epsilon, after.n_private) == (pytest.approx(before.epsilon + 5), 3)
    assert after.delta == pytest.approx(2.1e-5)


def test_runs_without_planned_noise_and_non_private_runs_are_counted_separately(installation, cohort, begun):
    begun(0)
    begun(1, private=False)
    begun(2, ("planned", 0), fingerprint="another cohort")
    total = cumulative_privacy_loss(installation.runs, cohort, delta=1e-5)
    assert (total.epsilon, total.n_private, total.n_uncounted, total.n_non_private) == (0.0, 0, 1, 1)


def test_an_image_level_run_counts_what_it_is_worth_to_the_patient_with_most_images(installation, cohort, begun):
    begun(0, ("planned", 0), ("finished", STEPS), unit=PrivacyUnit.IMAGE)  # two images a patient
    total = cumulative_privacy_loss(installation.runs, cohort, delta=1e-5)
    assert total.epsilon == pytest.approx(gaussian_epsilon(2 * mu(STEPS), 1e-5), rel=1e-9)


def test_a_withdrawn_run_stays_charged(installation, cohort, begun):
    status = begun(0, ("planned", 0), ("finished", STEPS))
    installation.runs.set_progress(status.run_id, Progress(RunState.FINISHED))
    installation.runs.withdraw(status.run_id)
    assert steps_charged(installation, status) == STEPS


def test_the_sentence_names_delta_unit_and_accountant(installation, cohort, begun):
    assert "No private model" in privacy_loss_sentence(cumulative_privacy_loss(installation.runs, cohort, delta=1e-5))
    begun(0, ("planned", 0), ("finished", STEPS))
    begun(1)
    begun(2, private=False)
    said = privacy_loss_sentence(cumulative_privacy_loss(installation.runs, cohort, delta=1e-5))
    for part in (
        "1 private model",
        "δ = 1e-05",
        "each patient",
        f"exact composition of Gaussian mechanisms; {NEIGHBORING_RELATION} neighbours",
        "is not counted",
        "1 model without privacy has no privacy guarantee; internal comparison only.",
    ):
        assert part in said
