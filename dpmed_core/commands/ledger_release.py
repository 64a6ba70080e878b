"""`ledger register` and `ledger release`: what leaves the house."""

import math
from dataclasses import asdict
from pathlib import Path

import click

from dpmed_core.commands.cards import review_option, statements_option, still_open, write_files
from dpmed_core.commands.output import json_option, say
from dpmed_core.installation import Installation
from dpmed_core.privacy.ledger.release import NO_BOUND, register, release_figure
from dpmed_core.release_cards.handed_out import release_with_cards
from dpmed_core.release_cards.statements import Statements, read_statements
from dpmed_core.runs.plan import plan_runs
from dpmed_core.training.recipes.catalogue import PROBE
from dpmed_core.training.spec import PrivacyUnit


@click.command("register")
@click.option("--cohort", "cohort_name", required=True)
@click.option("--epsilon", required=True, type=float)
@click.option("--recipe", default=PROBE.name, show_default=True)
@click.option("--delta", type=float, help="Default: as for `train`.")
@click.option("--unit", type=click.Choice([u.value for u in PrivacyUnit]), default=PrivacyUnit.PATIENT.value, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--name", required=True, help="Who decides.")
@click.option("--reason", required=True, help="Why.")
@json_option
def register_command(
    cohort_name: str, epsilon: float, recipe: str, delta: float | None, unit: str, seed: int, name: str, reason: str, as_json: bool
) -> None:
    """Announce that a model will be released, before anything is trained on its patients: it is then charged for itself alone."""
    installation = Installation.open()
    cohort = installation.cohorts.load(cohort_name)
    spec = plan_runs(
        cohort,
        key=installation.key,
        recipe=recipe,
        epsilons=[epsilon],
        n_seeds=1,
        delta=delta,
        unit=PrivacyUnit(unit),
        first_seed=seed,
        non_private=False,
    )[0]
    register(installation.ledger, cohort, spec, name=name, reason=reason)
    run_id = installation.runs.run_id(spec)
    say({"run_id": run_id}, f"Announced: run {run_id} will be charged for itself when it is released.", as_json=as_json)


@click.command("release")
@click.argument("run_id", required=False)
@click.option("--out", type=click.Path(path_type=Path), help="Folder for weights, guarantee and cards; made if it does not exist.")
@click.option("--scores", is_flag=True, help="With the scores of validation and test cases, whose patients no guarantee covers.")
@click.option("--figure", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Instead of a run: an exported file.")
@click.option("--cohort", "cohort_name", help="The cohort that the figure is about.")
@click.option("--without-guarantee", is_flag=True, help="Release what has none: a model without privacy, or a figure that shows one.")
@statements_option
@review_option
@click.option("--name", required=True, help="Who decides.")
@click.option("--reason", required=True, help="Why.")
@json_option
@click.pass_obj
def release_command(
    umask: int | None,
    run_id: str | None,
    out: Path | None,
    scores: bool,
    figure: Path | None,
    cohort_name: str | None,
    without_guarantee: bool,
    statements: Path | None,
    review_id: str | None,
    name: str,
    reason: str,
    as_json: bool,
) -> None:
    """Record that a run's model, or a figure, leaves the house; of a run, write what may leave, with its cards. Refused past the cap."""
    here = Installation.open()
    ledger = here.ledger
    if figure is not None and cohort_name and run_id is None:
        cohort = ledger.cohorts.load(cohort_name)
        charge = release_figure(ledger, figure, cohort, name=name, reason=reason, without_guarantee=without_guarantee)
        say({"figure": figure.name, **asdict(charge)}, f"Recorded. {charge.sentence()}", as_json=as_json)
    elif run_id is not None and out is not None and figure is None:
        said = read_statements(statements) if statements else Statements()
        options = {"scores": scores, "without_guarantee": without_guarantee}
        released, files = release_with_cards(here, run_id, name=name, reason=reason, statements=said, review_id=review_id, **options)
        written = write_files(out, files, umask)
        says = released.charge.sentence() if math.isfinite(released.charge.epsilon) else NO_BOUND
        document = {"run_id": run_id, "files": written, "says": says, "open": said.open}
        say(document, f"Written: {', '.join(written)}\n{says}\n{still_open(said)}", as_json=as_json)
    else:
        raise click.UsageError("Name a run and --out, or --figure and --cohort.")
