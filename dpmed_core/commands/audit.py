"""`audit`: whether a private training keeps its word, by trainings on data without any patient."""

from typing import Any

import click

from dpmed_core.commands.output import json_option, progress_line, say
from dpmed_core.commands.training import delta_option
from dpmed_core.errors import SpecError
from dpmed_core.installation import Installation
from dpmed_core.phrases import delta_text, epsilon_text
from dpmed_core.privacy.audit.findings import Audit, StepAudit
from dpmed_core.privacy.audit.run_audit import N_TRAININGS, audit_network, audit_probe, audit_run
from dpmed_core.privacy.audit.sentences import audit_sentences
from dpmed_core.privacy.audit.stored_audit import kind_of, store_audit, stored_audit
from dpmed_core.runs.plan import n_train_units, plan_runs
from dpmed_core.training.recipes.catalogue import PROBE, RECIPES
from dpmed_core.training.result import NEIGHBORING_RELATION
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit

FEWEST_TRAININGS = 200


@click.command()
@click.argument("run_id", required=False, metavar="[RUN]")
@click.option("--cohort", "cohort_name", help="Audit what a recipe would do on this cohort.")
@click.option("--recipe", type=click.Choice(list(RECIPES)), help=f"With --cohort.  [default: {PROBE.name}]")
@click.option("--epsilon", type=float, help="With --cohort: the privacy budget.")
@delta_option
@click.option("--unit", type=click.Choice([u.value for u in PrivacyUnit]), help="With --cohort.  [default: patient]")
@click.option(
    "--trainings",
    default=N_TRAININGS,
    show_default=True,
    type=click.IntRange(FEWEST_TRAININGS, 100_000),
    help="Of the head (recipe probe): half of them with the canary, half without. A network is trained once.",
)
@click.option("--stored", is_flag=True, help="Of RUN: print its last audit, and make none.")
@json_option
def audit(
    run_id: str | None,
    cohort_name: str | None,
    recipe: str | None,
    epsilon: float | None,
    delta: float | None,
    unit: str | None,
    trainings: int,
    stored: bool,
    as_json: bool,
) -> None:
    """Whether the training of RUN, or of a budget on a cohort, keeps its word, found with worst-case patients who were made up.

    A head (recipe probe) is trained again and again with and without such a patient, a network once on thousands of them. No patient's
    data are used and nothing is spent: the audit takes steps, bound, noise and counts of the training, and data of its own. What is found
    of a run is kept with it.
    """
    if (run_id is None) == (cohort_name is None) or (cohort_name is None) != (epsilon is None):
        raise SpecError("Give either a run, or --cohort NAME and --epsilon E.")
    if run_id and not (delta is None and unit is None and recipe is None):
        raise SpecError("A run has its own recipe, δ and unit: leave out --recipe, --delta and --unit.")
    if stored and not run_id:
        raise SpecError("Only audits of runs are kept: name a run, or leave out --stored.")
    if run_id:
        found, facts = _of_run(run_id, trainings, stored=stored)
    else:
        about = (recipe or PROBE.name, epsilon or 0.0, delta, PrivacyUnit(unit or PrivacyUnit.PATIENT))
        found, facts = _of_cohort(str(cohort_name), *about, trainings=trainings)
    guarantee = (
        f"Claimed: ε = {epsilon_text(float(str(facts['epsilon'])))} at δ = {delta_text(float(str(facts['delta'])))} "
        f"for each {facts['unit']} ({facts['accountant']} accountant, {NEIGHBORING_RELATION} neighbours)."
    )
    say({**found.to_fields(), "kind": kind_of(found), **facts}, "\n".join([*audit_sentences(found), guarantee]), as_json=as_json)


def _of_run(run_id: str, trainings: int, *, stored: bool) -> tuple[Audit | StepAudit, dict[str, object]]:
    """The audit of a finished run, which is kept with it, or the last one, and what the run claims."""
    installation = Installation.open()
    result = installation.runs.result(run_id)
    if stored:
        last = stored_audit(installation.runs, run_id)
        if last is None:
            raise SpecError(f"No audit of run {run_id} is kept: make one with `audit {run_id}`.")
        found = last.found
    else:
        found = audit_run(installation.runs, run_id, n_trainings=trainings, **_of_steps(installation))
        store_audit(installation.runs, run_id, found)
    accountant = result.guarantee.accountant if result.guarantee else _accountant(found)
    return found, _claim(result.spec.privacy, result.spec.unit, accountant)


def _of_cohort(
    name: str, recipe: str, epsilon: float, delta: float | None, unit: PrivacyUnit, *, trainings: int
) -> tuple[Audit | StepAudit, dict[str, object]]:
    """The audit of what `train` would be asked for, from public counts of the cohort, and its claim."""
    installation = Installation.open()
    cohort = installation.cohorts.load(name)
    about = {"key": installation.key, "recipe": recipe, "n_seeds": 1, "delta": delta, "unit": unit, "non_private": False}
    spec = plan_runs(cohort, epsilons=[epsilon], **about)[0]  # type: ignore[arg-type]
    counts: dict[str, Any] = {"n_units": n_train_units(cohort, key=installation.key, unit=unit), "n_findings": len(cohort.findings)}
    if recipe == PROBE.name:
        found: Audit | StepAudit = audit_probe(spec, **counts, n_trainings=trainings)
        return found, _claim(spec.privacy, unit, _accountant(found))
    found, guarantee = audit_network(spec, **counts, calibrations_dir=installation.settings.calibrations_dir, **_of_steps(installation))
    return found, _claim(spec.privacy, unit, guarantee.accountant)


def _of_steps(installation: Installation) -> dict[str, Any]:
    """What an audit of a network's steps is given besides."""
    return {"encoders_dir": installation.settings.encoders_dir, "progress": progress_line("Steps of the audit")}


def _claim(target: PrivacyTarget | None, unit: PrivacyUnit, accountant: str) -> dict[str, object]:
    """What is claimed, for JSON."""
    if target is None:
        raise SpecError("A training without privacy claims nothing that could be audited: name a private run, or an epsilon.")
    return {"epsilon": target.epsilon, "delta": target.delta, "unit": unit.value, "accountant": accountant}


def _accountant(found: Audit | StepAudit) -> str:
    return "analytic-gaussian" if isinstance(found, Audit) else "prv"
