"""`train`, `sweep` and `runs`: queueing training runs, following and cancelling them."""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import click

from dpmed_core.cohort.schema import Cohort
from dpmed_core.cohort.split import DEFAULT_SPLIT_SEED, assign_parts
from dpmed_core.commands.output import json_option, say, tell
from dpmed_core.commands.preflight import tell_preflight
from dpmed_core.commands.spent import spent_on
from dpmed_core.commands.starts import start_options
from dpmed_core.engine.engine_watch import EngineWatch
from dpmed_core.engine.process import ensure_engine
from dpmed_core.engine.training_task import cancel_run
from dpmed_core.errors import CohortError, RunError, SpecError
from dpmed_core.evaluation.planning.held_out import not_judgeable
from dpmed_core.installation import Installation
from dpmed_core.phrases import counted
from dpmed_core.privacy.audit.stored_audit import stored_audit
from dpmed_core.privacy.meaning.most_images import most_images, own_epsilon, own_epsilon_sentence
from dpmed_core.public_starts import start_for
from dpmed_core.runs.plan import MOST_SPLITS, parse_delta, parse_epsilons, plan_runs
from dpmed_core.runs.space import what_holds_up
from dpmed_core.runs.status import OPEN_STATES, UNREADABLE, RunState, RunStatus, UnreadableRun
from dpmed_core.training.recipes.catalogue import PROBE, RECIPES
from dpmed_core.training.result import PrivacyGuarantee
from dpmed_core.training.spec import NOTHING_LEARNT, PrivacyUnit, RunSpec, StartChoice
from dpmed_core.training.starts.choosing import in_words, parse_map

POLL_SECONDS = 0.3
NEWEST = 50
"""How many of the runs that have ended `runs` shows a reader who does not ask for all."""
NOT_PRINTED = ("spec", "n_train_cases")
"""Fields of a result: the specification is a run's before it is finished, and the number of training images is outside the guarantee."""


def parse_option_delta(context: click.Context, parameter: click.Parameter, text: str | None) -> float | None:
    """The value of --delta."""
    del context, parameter
    return None if text is None else parse_delta(text)


recipe_option = click.option("--recipe", type=click.Choice(sorted(RECIPES)), default=PROBE.name, show_default=True)
delta_option = click.option(
    "--delta", callback=parse_option_delta, metavar="FLOAT", help="Default: min(1e-5, the largest power of ten <= 1 / (10 units))."
)
unit_option = click.option(
    "--unit", type=click.Choice([u.value for u in PrivacyUnit]), default=PrivacyUnit.PATIENT.value, show_default=True
)


def run_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that `train` and `sweep` share."""
    options = (
        click.option("--cohort", "cohort_name", required=True),
        recipe_option,
        delta_option,
        unit_option,
        click.option("--encoder", "encoder_name", help="An added encoder, whose features recipe probe reads too; see `encoder list`."),
        click.option(
            "--wait", is_flag=True, help="Return when the training has ended; without it the training continues in the background."
        ),
        json_option,
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@run_options
@start_options
@click.option("--epsilon", type=float, help="Privacy budget of the model.")
@click.option("--non-private", is_flag=True, help="Train the non-private reference.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Seed of the training run.")
def train(
    cohort_name: str,
    recipe: str,
    delta: float | None,
    unit: str,
    encoder_name: str | None,
    wait: bool,
    as_json: bool,
    epsilon: float | None,
    non_private: bool,
    seed: int,
    start_name: str | None,
    pairs: tuple[str, ...],
) -> None:
    """Queue one training run."""
    if (epsilon is None) != non_private:
        raise SpecError("Give either --epsilon E or --non-private.")
    installation = Installation.open()
    cohort = installation.cohorts.load(cohort_name)
    specs = plan_runs(
        cohort,
        key=installation.key,
        recipe=recipe,
        epsilons=[] if epsilon is None else [epsilon],
        n_seeds=1,
        first_seed=seed,
        delta=delta,
        unit=PrivacyUnit(unit),
        non_private=non_private,
        start=_start(installation, cohort, recipe, start_name, pairs),
        encoder=_encoder(installation, encoder_name),
    )
    wanted = [spec for spec in specs if spec.privacy != NOTHING_LEARNT or epsilon == 0]
    checks = tell_preflight(installation, cohort, wanted)
    status = _queue(installation, wanted, cohort_name, wait=wait)[0]
    spent = spent_on(installation, installation.cohorts.load(cohort_name))
    document = {**run_facts(installation, status), "preflight": checks}
    say(document, f"{run_line(installation, status)}\n{spent.sentence}", as_json=as_json)
    _exit_with_failures([status])


@click.command()
@run_options
@start_options
@click.option("--epsilons", required=True, help="Privacy budgets, comma-separated.")
@click.option("--seeds", default=1, show_default=True, type=click.IntRange(1, 100), help="Training runs of each budget.")
@click.option(
    "--splits", default=1, show_default=True, type=click.IntRange(1, MOST_SPLITS), help="Random splits, for small cohorts; each spends."
)
def sweep(
    cohort_name: str,
    recipe: str,
    delta: float | None,
    unit: str,
    encoder_name: str | None,
    wait: bool,
    as_json: bool,
    epsilons: str,
    seeds: int,
    splits: int,
    start_name: str | None,
    pairs: tuple[str, ...],
) -> None:
    """Queue training runs at several privacy budgets, with their non-private references; from a start, that start alone as well."""
    installation = Installation.open()
    cohort = installation.cohorts.load(cohort_name)
    specs = plan_runs(
        cohort,
        key=installation.key,
        recipe=recipe,
        epsilons=parse_epsilons(epsilons),
        n_seeds=seeds,
        delta=delta,
        unit=PrivacyUnit(unit),
        n_splits=splits,
        start=_start(installation, cohort, recipe, start_name, pairs),
        encoder=_encoder(installation, encoder_name),
    )
    checks = tell_preflight(installation, cohort, specs)
    statuses = _queue(installation, specs, cohort_name, wait=wait)
    spent = spent_on(installation, installation.cohorts.load(cohort_name))
    readable = "\n".join([*(run_line(installation, s) for s in statuses), spent.sentence])
    document = {"runs": [run_facts(installation, s) for s in statuses], "spent": spent.fields, "preflight": checks}
    say(document, readable, as_json=as_json)
    _exit_with_failures(statuses)


@click.group(invoke_without_command=True)
@click.option("--cohort", "cohort_name", help="Only this cohort's runs.")
@click.option("--all", "show_all", is_flag=True, help=f"All runs, not only the newest {NEWEST} and those that are open or cannot be read.")
@json_option
@click.pass_context
def runs(context: click.Context, cohort_name: str | None, show_all: bool, as_json: bool) -> None:
    """List the training runs (with --json always all of them), or show, cancel or retry one."""
    if context.invoked_subcommand is not None:
        return
    installation = Installation.open()
    listing = installation.runs.listing()
    found: list[RunStatus | UnreadableRun] = [*listing.statuses, *listing.unreadable]
    if cohort_name is not None:
        fingerprint = installation.cohorts.fingerprint(cohort_name)
        found = [run for run in found if run.may_be_on(fingerprint)]
    document = {"runs": [run_facts(installation, run) for run in found]} if as_json else {}
    readable = "" if as_json else _run_lines(installation, found, show_all=show_all)
    installation.runs.remember()
    say(document, readable, as_json=as_json)


def _run_lines(installation: Installation, found: Sequence[RunStatus | UnreadableRun], *, show_all: bool) -> str:
    """The runs for a reader; of those that have ended and can be read, the newest unless `show_all`."""
    damage = {run.run_id: installation.runs.damage(run.run_id) for run in found if run.state == RunState.FINISHED}
    ended = [run for run in found if run.state not in (*OPEN_STATES, UNREADABLE) and damage.get(run.run_id) is None]
    left_out = set() if show_all else {run.run_id for run in ended[:-NEWEST]}
    lines = [run_line(installation, run, damage.get(run.run_id)) for run in found if run.run_id not in left_out]
    if left_out:
        lines.insert(0, f"{counted(len(left_out), 'older run', 'older runs')} of {len(found):,} not shown: `runs --all` lists all.")
    return "\n".join(lines) or "No runs yet: queue some with `train` or `sweep`."


@runs.command("show")
@click.argument("run_id")
@json_option
def show_run(run_id: str, as_json: bool) -> None:
    """Show a run: state, progress, guarantee, attempts and the path of its scores."""
    installation = Installation.open()
    status = installation.runs.status(run_id)
    facts = run_facts(installation, status)
    if facts["state"] == RunState.FINISHED:
        facts["scores"] = str(installation.runs.scores_path(run_id).absolute())
    facts["attempts"] = events = [_as_proven(event) for event in installation.runs.attempts(run_id)]
    readable = [run_line(installation, status), *_worth_to_patient(installation, status, facts), *(f"  {event}" for event in events)]
    say(facts, "\n".join(readable), as_json=as_json)


@runs.command("cancel")
@click.argument("run_id")
@json_option
def cancel(run_id: str, as_json: bool) -> None:
    """Stop a run: at its next step, or at once where no process trains it; what it spent stays recorded."""
    installation = Installation.open()
    cancel_run(installation, run_id)
    status = installation.runs.status(run_id)
    say(run_facts(installation, status), run_line(installation, status), as_json=as_json)


@runs.command("withdraw")
@click.argument("run_id")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def withdraw(run_id: str, yes: bool, as_json: bool) -> None:
    """Give a run up, also one that cannot be read: its scores, weights and checkpoint go, the record of what it spent stays."""
    installation = Installation.open()
    installation.runs.look(run_id)
    if not yes:
        click.confirm(f"Remove the scores, weights and checkpoint of run {run_id} permanently?", abort=True, err=True)
    installation.runs.withdraw(run_id)
    installation.ledger.settle(run_id)
    run = installation.runs.look(run_id)
    say(run_facts(installation, run), f"Withdrawn. {run_line(installation, run)}", as_json=as_json)


@runs.command("retry")
@click.argument("run_id")
@click.option("--wait", is_flag=True)
@json_option
def retry(run_id: str, wait: bool, as_json: bool) -> None:
    """Train a failed, cancelled, damaged or unreadable run again, from its last checkpoint; a whole result is kept."""
    installation = Installation.open()
    installation.runs.retry(run_id)
    ensure_engine(installation.settings)
    status = _wait_for(installation, [run_id])[0] if wait else installation.runs.status(run_id)
    say(run_facts(installation, status), run_line(installation, status), as_json=as_json)
    _exit_with_failures([status])


def run_facts(installation: Installation, run: RunStatus | UnreadableRun) -> dict[str, object]:
    """The facts of a run as JSON values; those of its result that may be handed out, with `guarantee`, once it is finished; its last audit.

    A run that cannot be read, or whose result is damaged, has the state "unreadable", with what to do as its message.
    """
    facts = run.to_fields()
    if isinstance(run, UnreadableRun):
        return facts
    facts |= {"message": what_holds_up(installation.runs, run)}
    if run.state != RunState.FINISHED:
        return facts
    if (message := installation.runs.damage(run.run_id)) is not None:
        return facts | {"state": UNREADABLE, "message": message}
    facts |= {k: v for k, v in installation.runs.result(run.run_id).to_fields().items() if k not in NOT_PRINTED}
    audited = stored_audit(installation.runs, run.run_id)
    return facts | ({"audit": audited.to_fields()} if audited else {})


def _worth_to_patient(installation: Installation, status: RunStatus, facts: dict[str, object]) -> list[str]:
    """What a guarantee for each image is worth to the patient with most images, as a line and in `facts`; nothing for other runs."""
    if facts["state"] != RunState.FINISHED or (guarantee := installation.runs.result(status.run_id).guarantee) is None:
        return []
    try:
        cohort = installation.cohorts.with_fingerprint(status.spec.cohort_fingerprint)
    except CohortError:  # it was removed
        return []
    images, cache = most_images(cohort) if cohort.patients_known else 1, installation.settings.calibrations_dir
    if (epsilon := own_epsilon(guarantee, images, cache_dir=cache)) is None:
        return []
    facts["patient_with_most_images"] = {"images": images, "epsilon": epsilon, "delta": guarantee.delta}
    return [f"  {guarantee.sentence()}. {own_epsilon_sentence(guarantee, images, cache_dir=cache)}"]


def _as_proven(event: dict[str, Any]) -> dict[str, Any]:
    """An event of a run, with its guarantee as this version states it."""
    return event | {"guarantee": asdict(PrivacyGuarantee.from_fields(event["guarantee"]))} if event.get("guarantee") else event


def run_line(installation: Installation, run: RunStatus | UnreadableRun, damage: str | None = None) -> str:
    """A run in one line; `damage` says what is wrong with its result."""
    if isinstance(run, UnreadableRun):
        return f"{run.run_id}  {UNREADABLE}: {run.message}"
    status = run
    target = f"epsilon {status.spec.privacy.epsilon:g}, delta {status.spec.privacy.delta:g}" if status.spec.privacy else "non-private"
    state = f"{status.state.value} {status.step}/{status.total_steps}" if status.state == RunState.TRAINING else status.state.value
    split = f", split {status.spec.split_seed}" if status.spec.split_seed else ""  # the usual one, 0, goes without saying
    begun = f" from {status.spec.start.name}" if status.spec.start else ""
    recipe = f"{status.spec.recipe}{_with_encoder(installation, status.spec)}{begun}"
    line = f"{status.run_id}  {recipe}  {target}, unit {status.spec.unit.value}, seed {status.spec.seed}{split}  {state}"
    if damage is not None:
        return f"{line}, {UNREADABLE}: {damage}"
    message = what_holds_up(installation.runs, status)
    return f"{line}: {message}" if message else line


def _start(installation: Installation, cohort: Cohort, recipe: str, name: str | None, pairs: Sequence[str]) -> StartChoice | None:
    """The start that was asked for, which findings begin there being said; None for none."""
    if name is None:
        if pairs:
            raise SpecError("--map says which findings of a start stand for which: give the start with --start.")
        return None
    start = start_for(installation, cohort, name, parse_map(pairs), recipe=recipe)
    tell(in_words(start, cohort.findings))
    return start


def _encoder(installation: Installation, name: str | None) -> str | None:
    """The digest of the added encoder called `name`."""
    if name is None:
        return None
    added = installation.encoders.load(name)
    added.check()
    return added.digest


def _with_encoder(installation: Installation, spec: RunSpec) -> str:
    return f" with encoder {installation.encoders.name_of(spec.encoder)}" if spec.encoder else ""


def _queue(installation: Installation, specs: Sequence[RunSpec], cohort_name: str, *, wait: bool) -> list[RunStatus]:
    """The status of `specs` after they were queued and, with `wait`, ended; says first which findings nobody will be able to judge."""
    cohort = installation.cohorts.load(cohort_name)
    if not_judged := not_judgeable(cohort, assign_parts(cohort, seed=DEFAULT_SPLIT_SEED, key=installation.key)):
        tell(not_judged)
    statuses = installation.ledger.ask(cohort, specs)
    if any(s.state in (RunState.QUEUED, RunState.TRAINING) for s in statuses):
        ensure_engine(installation.settings)
    return _wait_for(installation, [s.run_id for s in statuses]) if wait else statuses


def _wait_for(installation: Installation, run_ids: Sequence[str]) -> list[RunStatus]:
    shown: dict[str, str] = {}
    watch = EngineWatch(installation.settings)
    while True:
        statuses = [installation.runs.status(run_id) for run_id in run_ids]
        for status in statuses:
            waits = what_holds_up(installation.runs, status) if status.state is RunState.QUEUED else ""
            if shown.get(status.run_id) != (seen := f"{status.state.value}{bool(waits)}"):  # the sentence itself counts free space
                shown[status.run_id] = seen
                tell(run_line(installation, status))
        if all(s.state not in (RunState.QUEUED, RunState.TRAINING) for s in statuses):
            return statuses
        watch.look()
        ensure_engine(installation.settings)  # starts another one where the engine has died, or stood still and was ended
        time.sleep(POLL_SECONDS)


def _exit_with_failures(statuses: Sequence[RunStatus]) -> None:
    # Exit status 1: DPMed could not train a run. Status 2, that of a `RunError`: the user has to decide whether it is trained after all.
    if any(s.state == RunState.FAILED for s in statuses):
        sys.exit(1)
    if any(s.state == RunState.CANCELLED for s in statuses):
        raise RunError("A requested run is cancelled: train it with `runs retry ID`.")
