"""`audit`: whether a private head keeps its word, by hundreds of trainings on data without any patient."""

import click

from dpmed_core.commands.output import json_option, say
from dpmed_core.commands.training import delta_option
from dpmed_core.errors import SpecError
from dpmed_core.installation import Installation
from dpmed_core.phrases import delta_text, epsilon_text
from dpmed_core.privacy.audit.head_audit import audit_head
from dpmed_core.privacy.audit.sentences import audit_sentences
from dpmed_core.runs.plan import n_train_units, plan_runs
from dpmed_core.training.recipes.catalogue import PROBE
from dpmed_core.training.recipes.train_probe import plan_probe
from dpmed_core.training.result import NEIGHBORING_RELATION
from dpmed_core.training.spec import PrivacyUnit, RunSpec

FEWEST_TRAININGS = 200


@click.command()
@click.argument("run_id", required=False, metavar="[RUN]")
@click.option("--cohort", "cohort_name", help="Audit what recipe probe would do on this cohort.")
@click.option("--epsilon", type=float, help="With --cohort: the privacy budget.")
@delta_option
@click.option("--unit", type=click.Choice([u.value for u in PrivacyUnit]), help="With --cohort.  [default: patient]")
@click.option(
    "--trainings",
    default=2000,
    show_default=True,
    type=click.IntRange(FEWEST_TRAININGS, 100_000),
    help="Half of them with the canary, half without.",
)
@json_option
def audit(
    run_id: str | None, cohort_name: str | None, epsilon: float | None, delta: float | None, unit: str | None, trainings: int, as_json: bool
) -> None:
    """Train the head of RUN, or of a budget on a cohort, again and again with and without a worst-case patient who was made up.

    No patient's data are used and nothing is spent: the audit takes steps, bound, noise and counts of the training, and data of its own.
    """
    if (run_id is None) == (cohort_name is None) or (cohort_name is None) != (epsilon is None):
        raise SpecError("Give either a run, or --cohort NAME and --epsilon E.")
    if run_id and (delta is not None or unit is not None):
        raise SpecError("A run has its own δ and unit: leave out --delta and --unit.")
    spec, n_units, n_findings = (
        _of_run(run_id) if run_id else _of_cohort(str(cohort_name), epsilon, delta, PrivacyUnit(unit or PrivacyUnit.PATIENT))
    )
    if spec.privacy is None:
        raise SpecError("A training without privacy claims nothing that could be audited: name a private run, or an epsilon.")
    plan = plan_probe(spec, n_units=n_units, n_findings=n_findings)
    found = audit_head(plan, unit=spec.unit, n_units=n_units, n_findings=n_findings, n_trainings=trainings // 2)
    guarantee = (
        f"Claimed: ε = {epsilon_text(spec.privacy.epsilon)} at δ = {delta_text(spec.privacy.delta)} for each {spec.unit.value} "
        f"(analytic-gaussian accountant, {NEIGHBORING_RELATION} neighbours)."
    )
    document = {**found.to_fields(), "epsilon": spec.privacy.epsilon, "delta": spec.privacy.delta, "unit": spec.unit.value}
    say(document, "\n".join([*audit_sentences(found), guarantee]), as_json=as_json)


def _of_run(run_id: str) -> tuple[RunSpec, int, int]:
    """Specification, units and findings of a finished run.

    Raises:
        SpecError: it is of another recipe, or of another version than the head that would be audited.
    """
    installation = Installation.open()
    result = installation.runs.result(run_id)
    spec = result.spec
    if (spec.recipe, spec.recipe_version) != (PROBE.name, PROBE.version):
        was, audited = f"recipe {spec.recipe}, version {spec.recipe_version}", f"recipe {PROBE.name}, version {PROBE.version}"
        raise SpecError(f"Run {run_id} was trained by {was}, and the head that can be audited is that of {audited}: name another run.")
    return spec, result.n_train_units, len(installation.runs.weights(run_id)["offset"])


def _of_cohort(name: str, epsilon: float | None, delta: float | None, unit: PrivacyUnit) -> tuple[RunSpec, int, int]:
    """What `train` would be asked for, and public counts of the cohort."""
    installation = Installation.open()
    cohort = installation.cohorts.load(name)
    asked = {"key": installation.key, "recipe": PROBE.name, "n_seeds": 1, "delta": delta, "unit": unit, "non_private": False}
    spec = plan_runs(cohort, epsilons=[epsilon or 0.0], **asked)[0]  # type: ignore[arg-type]
    return spec, n_train_units(cohort, key=installation.key, unit=unit), len(cohort.findings)
