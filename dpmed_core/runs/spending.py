"""The cumulative privacy loss of a cohort's patients: what all private runs ever begun on them compose to.

A guarantee holds for one model. For several models of the same patients, or a choice among them, only the composition holds, so every
run that may have shown something counts: finished, failed, cancelled, withdrawn, and open ones in advance.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dpmed_core.cohort.schema import Cohort
from dpmed_core.phrases import counted, delta_text, epsilon_text
from dpmed_core.runs.status import RunStatus
from dpmed_core.runs.store import RunStore
from dpmed_core.training.accounting.pld import Mechanism, composed_epsilon
from dpmed_core.training.result import PrivacyGuarantee
from dpmed_core.training.spec import PrivacyUnit, RunSpec

EXACT, PLD = "exact composition of Gaussian mechanisms", "privacy loss distributions"


@dataclass(frozen=True)
class CumulativePrivacyLoss:
    """What all private runs on a cohort spend together on each training patient, whether anyone looked at their models or not.

    Attributes:
        epsilon: composed, at `delta`; infinite if no bound holds at that delta.
        delta: the delta at which it holds.
        n_private: private models that `epsilon` contains: draws of noise, of which a run that was trained twice has two.
        n_uncounted: private runs whose noise has not been planned, so that `epsilon` cannot contain them.
        n_non_private: non-private runs; they have no guarantee, and `epsilon` says nothing about who sees one of their models.
        accountant: how `epsilon` was composed, in words.
    """

    epsilon: float
    delta: float
    n_private: int
    n_uncounted: int
    n_non_private: int
    accountant: str


def cumulative_privacy_loss(
    runs: RunStore, cohort: Cohort, *, delta: float, planned: Sequence[PrivacyGuarantee] = ()
) -> CumulativePrivacyLoss:
    """The composition of all private runs on the data of `cohort` and of `planned` runs that are not in the store yet.

    Finished, failed and cancelled runs count the steps that they took over all attempts, open ones the steps that they plan. A run with the
    image as its unit counts as what it costs the patient with the most images; that number is treated as public.

    Args:
        runs: the run store.
        cohort: the data.
        delta: the delta at which to compose.
        planned: guarantees of further runs.
    """
    statuses = [s for s in runs.statuses() if s.spec.cohort_fingerprint == cohort.fingerprint]
    # Emptying a patient's record changes as many units of an image-level run as the patient has images: group privacy.
    most_images = int(cohort.cases.groupby("patient_id").size().max())
    private = [status for status in statuses if status.spec.privacy]
    attempts = [_attempts(runs, status.run_id) for status in private]
    mechanisms = [m for status in private for m in accounted_mechanisms(runs, status, most_images=most_images)]
    mechanisms += [_mechanism(guarantee, guarantee.steps, most_images) for guarantee in planned]
    return CumulativePrivacyLoss(
        epsilon=composed_epsilon(mechanisms, delta) if mechanisms else 0.0,
        delta=delta,
        n_private=sum(map(_n_models, attempts)) + len(planned),
        n_uncounted=sum(not of_run for of_run in attempts),
        n_non_private=sum(s.spec.privacy is None for s in statuses),
        accountant=PLD if any(m.sample_rate < 1 for m in mechanisms) else EXACT,
    )


def with_unplanned_runs(loss: CumulativePrivacyLoss, specs: Sequence[RunSpec]) -> CumulativePrivacyLoss:
    """`loss` together with private runs of which only the targets are known: their epsilons and deltas add up.

    What the target of an image-level run costs a patient is not known before its noise is, so it counts as infinite.

    Source: Dwork & Roth 2014, theorem 3.16 (basic composition).
    """
    targets = [spec.privacy for spec in specs if spec.privacy]
    if not targets:
        return loss
    image_level = any(spec.unit is PrivacyUnit.IMAGE for spec in specs)
    return replace(
        loss,
        epsilon=math.inf if image_level else loss.epsilon + sum(target.epsilon for target in targets),
        delta=loss.delta + sum(target.delta for target in targets),
        n_private=loss.n_private + len(targets),
        accountant=f"{loss.accountant}, plus the targets of the runs that are not planned yet",
    )


@dataclass
class _Attempt:
    """One attempt at a run.

    Attributes:
        guarantee: what it planned.
        resumed: the step it began from.
        reached: its last durable checkpoint, or where it began.
        charged: the step up to which it counts whatever becomes of it; 0 where nothing was recorded.
        end: the step at which it ended; None while it is open.
        finished: whether it ended with a model.
    """

    guarantee: PrivacyGuarantee
    resumed: int = 0
    reached: int = 0
    charged: int = 0
    end: int | None = None
    finished: bool = False

    @property
    def steps(self) -> int:
        """What it is charged: an open attempt counts as if it took all its steps."""
        end = self.guarantee.steps if self.end is None else self.end
        return max(end, self.charged) - self.resumed


def accounted_mechanisms(runs: RunStore, status: RunStatus, *, most_images: int) -> list[Mechanism]:
    """What a private run has spent or will have spent, an entry for each attempt; empty where no attempt has planned its noise.

    The sum over attempts of (end - resumed step). The end is the total of an attempt that finished, the recorded step of one that failed or
    was cancelled, the last durable checkpoint of one that was killed: what it took after that was never shown, and the steps in their place
    are counted instead. A run that is trained again after it finished (because its files were damaged, or its cohort was removed and came
    back) is a second draw, with noise of its own, and counts a second time.

    Args:
        runs: the run store.
        status: the run.
        most_images: images of the patient with the most images.
    """
    attempts = _attempts(runs, status.run_id)
    return [_mechanism(attempt.guarantee, attempt.steps, most_images) for attempt in attempts if attempt.steps > 0]


def _n_models(attempts: Sequence[_Attempt]) -> int:
    """Models that were drawn: each that was finished, and the one under way or left unfinished at the end."""
    spent = [attempt for attempt in attempts if attempt.steps > 0]
    return sum(attempt.finished for attempt in spent) + bool(spent and not spent[-1].finished)


def _attempts(runs: RunStore, run_id: str) -> list[_Attempt]:
    """The attempts at a private run that planned their noise, from the events that they left, oldest first."""
    attempts: list[_Attempt] = []
    for event in runs.attempts(run_id):
        open_attempt = attempts[-1] if attempts and attempts[-1].end is None else None
        match event["event"]:
            case "planned":
                if open_attempt:  # it was killed, and left no event of its end
                    open_attempt.end = open_attempt.reached
                attempts.append(_Attempt(PrivacyGuarantee.from_fields(event["guarantee"])))
            case "resumed" if open_attempt:
                open_attempt.resumed = open_attempt.reached = int(event["step"])
            case "checkpoint" if open_attempt:
                open_attempt.reached = int(event["step"])
            case "charged" if open_attempt:
                open_attempt.charged = int(event["steps"])
            case "failed" | "cancelled" if open_attempt:
                open_attempt.end = int(event["steps"])
            case "finished" if open_attempt:
                open_attempt.end, open_attempt.finished = open_attempt.guarantee.steps, True
            case "withdrawn" if open_attempt:  # its worker had died: withdrawing waits for one that lives
                open_attempt.end = open_attempt.reached
    return attempts


def _mechanism(guarantee: PrivacyGuarantee, steps: int, most_images: int) -> Mechanism:
    images = most_images if guarantee.unit is PrivacyUnit.IMAGE else 1
    return Mechanism(guarantee.noise_multiplier, guarantee.sample_rate, steps, images)


def privacy_loss_sentence(loss: CumulativePrivacyLoss) -> str:
    """The cumulative privacy loss in words, with delta, unit, accountant, neighbouring relation and what is not in it."""
    if loss.n_private == 0:
        said = "No private model has been trained on these patients yet."
    else:
        epsilon = "no finite ε" if math.isinf(loss.epsilon) else f"ε = {epsilon_text(loss.epsilon)}"
        said = (
            f"Cumulative privacy loss of {counted(loss.n_private, 'private model', 'private models')}: {epsilon} at δ = "
            f"{delta_text(loss.delta)} for each patient ({loss.accountant}; zero-out neighbours)."
        )
    if loss.n_uncounted:
        runs = counted(
            loss.n_uncounted,
            "private run whose noise is not planned yet is not counted",
            "private runs whose noise is not planned yet are not counted",
        )
        said += f" {runs}."
    if loss.n_non_private:
        have = counted(loss.n_non_private, "model without privacy has", "models without privacy have")
        said += f" {have} no privacy guarantee; internal comparison only."
    return said
