"""The cumulative privacy loss of a cohort's patients: what all private runs ever begun on them compose to.

A guarantee holds for one model. For several models of the same patients, or a choice among them, only the composition holds, so every
run that may have shown something counts: finished, failed, cancelled, withdrawn, and open ones in advance.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dpmed_core.cohort.schema import Cohort
from dpmed_core.phrases import counted
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
        n_private: private runs that `epsilon` contains.
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
    # Adding or removing a patient changes as many units of an image-level run as the patient has images: group privacy.
    most_images = int(cohort.cases.groupby("patient_id").size().max())
    charged = {s.run_id: accounted_mechanisms(runs, s, most_images=most_images) for s in statuses if s.spec.privacy}
    mechanisms = [m for of_run in charged.values() for m in of_run]
    mechanisms += [_mechanism(guarantee, guarantee.steps, most_images) for guarantee in planned]
    return CumulativePrivacyLoss(
        epsilon=composed_epsilon(mechanisms, delta) if mechanisms else 0.0,
        delta=delta,
        n_private=sum(bool(of_run) for of_run in charged.values()) + len(planned),
        n_uncounted=sum(not of_run for of_run in charged.values()),
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


def accounted_mechanisms(runs: RunStore, status: RunStatus, *, most_images: int) -> list[Mechanism]:
    """What a private run has spent or will have spent; empty where no attempt has planned its noise.

    Every step up to the end counts once. Steps that an attempt took after its last checkpoint before it failed or was cancelled count in
    addition to the steps that a later attempt took in their place: somebody may have seen what they led to.

    Args:
        runs: the run store.
        status: the run.
        most_images: images of the patient with the most images.
    """
    guarantee: PrivacyGuarantee | None = None
    # `reached` is the step up to which noise is counted once, `extra` the steps that were taken again. A killed attempt leaves no event of
    # its end: what it took after its last checkpoint was never shown, and the steps in its place are counted instead.
    extra, checkpoint, reached = 0, 0, 0
    for event in runs.attempts(status.run_id):
        match event["event"]:
            case "planned":
                guarantee = PrivacyGuarantee.from_fields(event["guarantee"])
                reached = guarantee.steps  # an open run counts as if it took all of them
            case "checkpoint":
                checkpoint = int(event["step"])
            case "failed" | "cancelled":
                extra += max(0, int(event["steps"]) - checkpoint)
                reached = checkpoint
            case "finished":
                reached = int(event["steps"])
    if guarantee is None:
        return []
    return [_mechanism(guarantee, reached + extra, most_images)]


def _mechanism(guarantee: PrivacyGuarantee, steps: int, most_images: int) -> Mechanism:
    images = most_images if guarantee.unit is PrivacyUnit.IMAGE else 1
    return Mechanism(guarantee.noise_multiplier, guarantee.sample_rate, steps, images)


def privacy_loss_sentence(loss: CumulativePrivacyLoss) -> str:
    """The cumulative privacy loss in words, with delta, unit, accountant, neighbouring relation and what is not in it."""
    if loss.n_private == 0:
        said = "No private model has been trained on these patients yet."
    else:
        epsilon = "no finite ε" if math.isinf(loss.epsilon) else f"ε = {loss.epsilon:.3g}"
        said = (
            f"Cumulative privacy loss of {counted(loss.n_private, 'private model', 'private models')}: {epsilon} at δ = "
            f"{loss.delta:.0e} for each patient ({loss.accountant}; add-or-remove-one neighbours)."
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
