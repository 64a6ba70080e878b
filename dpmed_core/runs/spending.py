"""What was spent on a cohort's patients by every run that was ever begun on them, and what it composes to."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dpmed_core.cohort.schema import Cohort
from dpmed_core.runs.status import RunStatus
from dpmed_core.runs.store import RunStore
from dpmed_core.training.pld import Mechanism, composed_epsilon
from dpmed_core.training.result import PrivacyGuarantee
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit


@dataclass(frozen=True)
class Explored:
    """What all models of a cohort that were begun, seen or not, spend together on each training patient.

    Attributes:
        epsilon: composed, at `delta`; infinite if no bound holds at that delta.
        delta: the delta at which it holds.
        n_private: private runs in it.
        n_uncounted: private runs asked for that have not planned yet: their noise is not known, and not in `epsilon`.
        n_non_private: runs that promise nothing: whoever sees one of them has no guarantee, whatever `epsilon` says.
    """

    epsilon: float
    delta: float
    n_private: int
    n_uncounted: int
    n_non_private: int


def explored_total(runs: RunStore, cohort: Cohort, *, delta: float, planned: Sequence[PrivacyGuarantee] = ()) -> Explored:
    """What was explored on the data of `cohort`, together with `planned` trainings that are not asked for yet.

    Finished, failed and cancelled runs count the steps that they took over all attempts, open ones the steps they plan. Image-level runs
    count what they are worth to the patient with most films; that number is treated as public.

    Args:
        runs: the store.
        cohort: the data.
        delta: at which to compose.
        planned: guarantees of further trainings.
    """
    statuses = [s for s in runs.statuses() if s.spec.cohort_fingerprint == cohort.fingerprint]
    most_films = int(cohort.cases.groupby("patient_id").size().max())
    charged = {s.run_id: charged_mechanisms(runs, s, most_films=most_films) for s in statuses if s.spec.privacy}
    mechanisms = [m for of_run in charged.values() for m in of_run]
    mechanisms += [_mechanism(guarantee, guarantee.steps, most_films) for guarantee in planned]
    return Explored(
        epsilon=composed_epsilon(mechanisms, delta) if mechanisms else 0.0,
        delta=delta,
        n_private=sum(bool(of_run) for of_run in charged.values()) + len(planned),
        n_uncounted=sum(not of_run for of_run in charged.values()),
        n_non_private=sum(s.spec.privacy is None for s in statuses),
    )


def with_unplanned(explored: Explored, targets: Sequence[PrivacyTarget]) -> Explored:
    """`explored` and trainings of which only the targets are known: epsilons and deltas add up (Dwork & Roth 2014, theorem 3.16)."""
    return replace(
        explored,
        epsilon=explored.epsilon + sum(target.epsilon for target in targets),
        delta=explored.delta + sum(target.delta for target in targets),
        n_private=explored.n_private + len(targets),
    )


def charged_mechanisms(runs: RunStore, status: RunStatus, *, most_films: int) -> list[Mechanism]:
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
    return [_mechanism(guarantee, reached + extra, most_films)]


def _mechanism(guarantee: PrivacyGuarantee, steps: int, most_films: int) -> Mechanism:
    films = most_films if guarantee.unit is PrivacyUnit.IMAGE else 1
    return Mechanism(guarantee.noise_multiplier, guarantee.sample_rate, steps, films)


def explored_sentence(explored: Explored) -> str:
    """The explored total in one sentence, complete."""
    if explored.n_private == 0:
        return "No private model has been trained on these patients yet."
    epsilon = "no finite ε" if math.isinf(explored.epsilon) else f"ε = {explored.epsilon:.3g}"
    said = (
        f"{explored.n_private} private models of these patients compose to {epsilon} at δ = {explored.delta:.0e} for each patient "
        "(privacy loss distributions, add or remove one neighbours)"
    )
    if explored.n_uncounted:
        said += f"; {explored.n_uncounted} more are asked for and not counted yet"
    if explored.n_non_private:
        said += f"; {explored.n_non_private} models without privacy promise nothing to anyone who sees them"
    return said + "."
