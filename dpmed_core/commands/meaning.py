"""`meaning`: what one guarantee allows any attacker."""

import click

from dpmed_core.commands.output import json_option, say
from dpmed_core.commands.training import parse_option_delta
from dpmed_core.errors import SpecError
from dpmed_core.installation import Installation
from dpmed_core.phrases import delta_text, epsilon_text
from dpmed_core.privacy.meaning.attack_odds import PRIORS, attack_odds
from dpmed_core.privacy.meaning.mechanism_curve import tradeoff_of
from dpmed_core.privacy.meaning.protected_unit import ProtectedUnit, mechanism_of_guarantee, mechanism_of_target, mu_of
from dpmed_core.privacy.meaning.sentences import odds_sentences
from dpmed_core.training.accounting.pld import Mechanism
from dpmed_core.training.result import NEIGHBORING_RELATION
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit


@click.command()
@click.option("--epsilon", type=float, help="The ε of a Gaussian mechanism, such as recipe probe.")
@click.option("--delta", callback=parse_option_delta, metavar="FLOAT", help="Its δ.")
@click.option("--run", "run_id", help="A finished private run, by its own noise and sampling.")
@click.option("--prior", "priors", type=float, multiple=True, help="An attacker's chance without the model; may be given several times.")
@click.option("--unit", type=click.Choice([u.value for u in PrivacyUnit]), help="What the guarantee is for.  [default: patient]")
@click.option("--images", type=int, default=1, show_default=True, help="Images of the patient in question, where the unit is the image.")
@json_option
def meaning(
    epsilon: float | None, delta: float | None, run_id: str | None, priors: tuple[float, ...], unit: str | None, images: int, as_json: bool
) -> None:
    """What a guarantee means: how well the best attacker can tell who took part, or learn something of a patient.

    By the trade-off curve of the mechanism itself. With --epsilon and --delta it is the Gaussian mechanism that has this guarantee, which
    full-batch training (recipe probe) is exactly; with --run it is what that run did.
    """
    if (run_id is None) == (epsilon is None) or (epsilon is None) != (delta is None):
        raise SpecError("Give either --epsilon and --delta, or --run ID.")
    if run_id is not None:
        facts, mechanism, protected = _of_run(run_id, unit, images)
    else:
        target = PrivacyTarget(epsilon or 0.0, delta or 0.0)
        protected = ProtectedUnit(PrivacyUnit(unit or PrivacyUnit.PATIENT), images)
        facts = {"epsilon": target.epsilon, "delta": target.delta, "accountant": "analytic-gaussian"}
        mechanism = mechanism_of_target(target, protected)
    odds = attack_odds(tradeoff_of(mechanism), mu_of(mechanism), priors=priors or PRIORS)
    document = {**facts, "unit": protected.unit.value, "images": protected.images, **odds.to_fields()}
    guarantee = (
        f"ε = {epsilon_text(float(str(facts['epsilon'])))} at δ = {delta_text(float(str(facts['delta'])))} for each {protected.unit.value} "
        f"({facts['accountant']} accountant, {NEIGHBORING_RELATION} neighbours)"
    )
    say(document, "\n".join([*odds_sentences(odds), protected.sentence(), f"Guarantee: {guarantee}; μ = {odds.mu:.4g}."]), as_json=as_json)


def _of_run(run_id: str, unit: str | None, images: int) -> tuple[dict[str, object], Mechanism, ProtectedUnit]:
    """Guarantee and steps of a finished private run, and whom it protects.

    Raises:
        SpecError: the run has no privacy, or another unit than `unit`.
    """
    guarantee = Installation.open().runs.result(run_id).guarantee
    if guarantee is None:
        raise SpecError(f"Run {run_id} was trained without privacy: it has no guarantee that could mean anything.")
    if unit not in (None, guarantee.unit.value):
        raise SpecError(f"Run {run_id} has the unit {guarantee.unit.value}, not {unit}: leave out --unit.")
    protected = ProtectedUnit(guarantee.unit, images)
    facts: dict[str, object] = {
        "epsilon": guarantee.epsilon,
        "delta": guarantee.delta,
        "accountant": guarantee.accountant,
        "run_id": run_id,
    }
    return facts, mechanism_of_guarantee(guarantee, protected), protected
