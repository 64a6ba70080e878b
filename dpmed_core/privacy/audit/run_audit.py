"""Which audit a training gets, from what is stored of a run or would be asked for: that of the head, or that of a network's steps."""

from collections.abc import Callable
from pathlib import Path

from dpmed_core.errors import SpecError
from dpmed_core.privacy.audit.findings import Audit, StepAudit
from dpmed_core.privacy.audit.head_audit import audit_head
from dpmed_core.privacy.audit.step_audit import audit_steps
from dpmed_core.runs.store import RunStore
from dpmed_core.training.recipes.catalogue import PROBE, recipe_card
from dpmed_core.training.recipes.train_probe import plan_probe
from dpmed_core.training.result import PrivacyGuarantee
from dpmed_core.training.spec import RunSpec

N_TRAININGS = 2000
"""Trainings of an audit of the head, half of them with the canary."""
NOTHING_CLAIMED = "A training without privacy claims nothing that could be audited: name a private run, or an epsilon."


def audit_run(
    runs: RunStore,
    run_id: str,
    *,
    encoders_dir: Path,
    n_trainings: int = N_TRAININGS,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Audit | StepAudit:
    """An audit of the mechanism of a finished run.

    Args:
        runs: the store.
        run_id: the run.
        encoders_dir: folder of the public encoders.
        n_trainings: trainings of an audit of the head, half of them with the canary.
        progress: told how many of a network's steps are done.

    Raises:
        RunError: there is no such run, or it has no result.
        SpecError: it has no privacy, or is of a version that is not trained any more.
    """
    result = runs.result(run_id)
    spec, card = result.spec, recipe_card(result.spec.recipe)
    if spec.recipe_version != card.version:
        was = f"recipe {spec.recipe}, version {spec.recipe_version}"
        raise SpecError(f"Run {run_id} was trained by {was}, and what can be audited is version {card.version}: name another run.")
    if spec.privacy is None or spec.privacy.learns_nothing:
        raise SpecError(NOTHING_CLAIMED)
    weights = runs.weights(run_id)
    if card.name == PROBE.name:
        return audit_probe(spec, n_units=result.n_train_units, n_findings=len(weights["offset"]), n_trainings=n_trainings)
    if result.guarantee is None:
        raise SpecError(NOTHING_CLAIMED)
    n_findings = len(weights["head.bias"])
    return audit_steps(card.name, result.guarantee, n_findings=n_findings, encoders_dir=encoders_dir, progress=progress)


def audit_probe(spec: RunSpec, *, n_units: int, n_findings: int, n_trainings: int) -> Audit:
    """An audit of the head that `spec` asks for, at a public start where it begins at one.

    Raises:
        SpecError: it has no privacy, or learns nothing from the cohort.
    """
    if spec.privacy is None or spec.privacy.learns_nothing:
        raise SpecError(NOTHING_CLAIMED)
    plan = plan_probe(spec, n_units=n_units, n_findings=n_findings)
    about = {"n_units": n_units, "n_findings": n_findings, "n_trainings": n_trainings // 2}
    return audit_head(plan, unit=spec.unit, with_start=spec.start is not None, **about)


def audit_network(
    spec: RunSpec,
    *,
    n_units: int,
    n_findings: int,
    encoders_dir: Path,
    calibrations_dir: Path | None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[StepAudit, PrivacyGuarantee]:
    """An audit of the steps of the network that `spec` asks for, and the guarantee that they claim.

    Raises:
        SpecError: it has no privacy, or learns nothing from the cohort.
    """
    from dpmed_core.training.recipes.networks import NETWORKS  # loads torch
    from dpmed_core.training.recipes.train_network import plan_network

    guarantee = plan_network(NETWORKS[spec.recipe], spec, n_units=n_units, calibrations_dir=calibrations_dir)[1]
    if guarantee is None or guarantee.steps == 0:
        raise SpecError(NOTHING_CLAIMED)
    found = audit_steps(spec.recipe, guarantee, n_findings=n_findings, encoders_dir=encoders_dir, progress=progress)
    return found, guarantee
