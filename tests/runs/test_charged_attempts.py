"""What each attempt at a run is charged, from the events that it left."""

from dataclasses import asdict, replace

import pytest

from dpmed_core.runs.charged_attempts import attempts_of
from dpmed_core.training.accounting.full_batch import guarantee_full_batch
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit

STEPS = 20


@pytest.fixture
def begun(installation, spec):
    """Asks for a run and writes what its attempts did."""
    guarantee = guarantee_full_batch(
        PrivacyTarget(8, 1e-5), noise_multiplier=12.0, steps=STEPS, max_grad_norm=0.3, unit=PrivacyUnit.PATIENT, n_units=80
    )

    def ask(*events, steps=STEPS):
        run_id = installation.runs.ask(spec, cohort_name="images").run_id
        for event, at in events:
            facts = {"step" if event in ("checkpoint", "resumed") else "steps": at}
            if event == "planned":
                facts = {"guarantee": asdict(replace(guarantee, steps=steps)), "total_steps": steps}
            installation.runs.record(run_id, event, **facts)
        return run_id

    return ask


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
        ([("planned", 0), ("checkpoint", 8), ("started", 0)], 8),
        ([("planned", 0), ("planned", 0), ("finished", STEPS)], STEPS),
        # Killed, and given up or cancelled before another attempt planned: the recorded step may lie before the checkpoint.
        ([("planned", 0), ("checkpoint", 8), ("failed", 6)], 8),
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
    assert sum(attempt.steps for attempt in attempts_of(installation.runs, begun(*events))) == steps


def test_attempts_know_how_they_ended_and_what_they_are_called(installation, begun):
    run_id = begun(("planned", 0), ("checkpoint", 8), ("planned", 0), ("resumed", 8), ("finished", STEPS), ("planned", 0))
    attempts = attempts_of(installation.runs, run_id)
    assert [attempt.how for attempt in attempts] == ["killed", "finished", "open"]
    assert [attempt.draw for attempt in attempts] == [f"{run_id}-{number}" for number in range(3)]  # records of earlier versions


def test_a_second_draw_of_263_steps_is_charged_beside_the_first(installation, begun):
    """As on nih1000: damaged and retried, and withdrawn, imported again and cancelled at step 50; each was charged 263 before."""
    first = [("planned", 0), ("checkpoint", 200), ("finished", 263)]
    retried = begun(*first, ("retry-asked", 0), ("planned", 0), ("checkpoint", 200), ("finished", 263), steps=263)
    assert sum(attempt.steps for attempt in attempts_of(installation.runs, retried)) == 526


def test_a_second_draw_that_is_cancelled_is_charged_to_its_step(installation, begun):
    run_id = begun(("planned", 0), ("finished", 263), ("withdrawn", 0), ("planned", 0), ("cancelled", 50), steps=263)
    assert sum(attempt.steps for attempt in attempts_of(installation.runs, run_id)) == 313
