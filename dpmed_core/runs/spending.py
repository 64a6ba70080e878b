"""What was spent on a cohort's patients by every run that was ever begun on them, and what it composes to."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dpmed_core.cohort.schema import Cohort
from dpmed_core.runs.status import RunStatus
from dpmed_core.runs.store import RunStore
from dpmed_core.training.accounting.pld import Mechanism, composed_epsilon
from dpmed_core.training.result import PrivacyGuarantee
from dpmed_core.training.spec import PrivacyUnit, RunSpec

EXACT, PLD = "exact composition of Gaussians", "privacy loss distributions"


@dataclass(frozen=True)
class CumulativeLoss:
    """What all models of a cohort that were begun, seen or not, spend together on each training patient.

    Attributes:
        epsilon: composed, at `delta`; infinite if no bound holds at that delta.
        delta: the delta at which it holds.
        n_private: private runs in it.
        n_uncounted: private runs asked for that have not planned yet: their noise is not known, and not in `epsilon`.
        n_non_private: runs that promise nothing: whoever sees one of them has no guarantee, whatever `epsilon` says.
        accountant: how `epsilon` was composed, in words.
    """

    epsilon: float
    delta: float
    n_private: int
    n_uncounted: int
    n_non_private: int
    accountant: str


def total_cumulative_loss(runs: RunStore, cohort: Cohort, *, delta: float, planned: Sequence[PrivacyGuarantee] = ()) -> CumulativeLoss:
    """What was explored on the data of `cohort`, together with `planned` trainings that are not asked for yet.

    Finished, failed and cancelled runs count the steps that they took over all attempts, open ones the steps they plan. Image-level runs
    count what they are worth to the patient with most images; that number is treated as public.

    Args:
        runs: the store.
        cohort: the data.
        delta: at which to compose.
        planned: guarantees of further trainings.
    """
    statuses = [s for s in runs.statuses() if s.spec.cohort_fingerprint == cohort.fingerprint]
    most_images = int(cohort.cases.groupby("patient_id").size().max())
    charged = {s.run_id: charged_mechanisms(runs, s, most_images=most_images) for s in statuses if s.spec.privacy}
    mechanisms = [m for of_run in charged.values() for m in of_run]
    mechanisms += [_mechanism(guarantee, guarantee.steps, most_images) for guarantee in planned]
    return CumulativeLoss(
        epsilon=composed_epsilon(mechanisms, delta) if mechanisms else 0.0,
        delta=delta,
        n_private=sum(bool(of_run) for of_run in charged.values()) + len(planned),
        n_uncounted=sum(not of_run for of_run in charged.values()),
        n_non_private=sum(s.spec.privacy is None for s in statuses),
        accountant=PLD if any(m.sample_rate < 1 for m in mechanisms) else EXACT,
    )


def with_unplanned(cumulative_loss: CumulativeLoss, specs: Sequence[RunSpec]) -> CumulativeLoss:
    """`explored` and private runs of which only the targets are known: epsilons and deltas add up (Dwork & Roth 2014, theorem 3.16).

    What an image-level target is worth to a patient is not known before its noise is: it counts as infinite.
    """
    targets = [spec.privacy for spec in specs if spec.privacy]
    if not targets:
        return cumulative_loss
    image_level = any(spec.unit is PrivacyUnit.IMAGE for spec in specs)
    return replace(
        cumulative_loss,
        epsilon=math.inf if image_level else cumulative_loss.epsilon + sum(target.epsilon for target in targets),
        delta=cumulative_loss.delta + sum(target.delta for target in targets),
        n_private=cumulative_loss.n_private + len(targets),
        accountant=f"{cumulative_loss.accountant}, added to what is asked for",
    )


def charged_mechanisms(runs: RunStore, status: RunStatus, *, most_images: int) -> list[Mechanism]:
    """What a private run spent or will have spent; empty where nothing was planned yet.

    Every step up to the end counts once, and steps that an attempt took after its last checkpoint before it failed or was cancelled count
    beside those that replaced them.
    """
    guarantee: PrivacyGuarantee | None = None
    extra, checkpoint, reached = 0, 0, 0
    for event in runs.attempts(status.run_id):
        match event["event"]:
            case "planned":
                guarantee = PrivacyGuarantee.from_fields(event["guarantee"])
                reached = guarantee.steps
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


def cumulative_loss_sentence(cumulative_loss: CumulativeLoss) -> str:
    """The explored total in one sentence, complete."""
    if cumulative_loss.n_private == 0:
        return "No private model has been trained on these patients yet."
    epsilon = "no finite ε" if math.isinf(cumulative_loss.epsilon) else f"ε = {cumulative_loss.epsilon:.3g}"
    compose = "composes" if cumulative_loss.n_private == 1 else "compose"
    said = (
        f"{_several(cumulative_loss.n_private, 'private model')} of these patients {compose} to {epsilon} at δ = "
        f"{cumulative_loss.delta:.0e} for each patient ({cumulative_loss.accountant}; add or remove one neighbours)"
    )
    if cumulative_loss.n_uncounted:
        said += f"; {cumulative_loss.n_uncounted} more asked for, not counted yet"
    if cumulative_loss.n_non_private:
        said += f"; {_several(cumulative_loss.n_non_private, 'model')} without privacy, which promise nothing to anyone"
    return said + "."


def _several(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
