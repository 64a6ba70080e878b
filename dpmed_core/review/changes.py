"""What of the things that a review froze is different now, each in one sentence."""

from collections.abc import Iterator, Mapping
from typing import Any

from dpmed_core.errors import CohortError, DamagedRunError, RunError
from dpmed_core.evaluation.scores.kept_arrays import code_version
from dpmed_core.evaluation.scores.scored_runs import finished_runs
from dpmed_core.phrases import counted
from dpmed_core.privacy.ledger.ledger import Ledger
from dpmed_core.review.frozen import CANDIDATE, REFERENCE, about_plan, run_ids
from dpmed_core.runs.results import checksums
from dpmed_core.runs.status import RunState
from dpmed_core.runs.store import RunStore
from dpmed_core.settings import own_version
from dpmed_core.training.spec import PrivacyTarget


def changes(ledger: Ledger, frozen: Mapping[str, Any]) -> list[str]:
    """What is different now; empty where nothing is. Nothing is written."""
    found = [sentence for run in frozen["runs"] if (sentence := _of_run(ledger.runs, run))]
    return [*_of_cohort(ledger, frozen), *found, *_of_ledger(ledger, frozen), *_of_program(frozen)]


def _of_cohort(ledger: Ledger, frozen: Mapping[str, Any]) -> Iterator[str]:
    """Changes of the cohort, and of what depends on its data: its plan, and which runs count."""
    name, fingerprint = frozen["cohort"]["name"], frozen["fingerprint"]
    try:
        now = ledger.cohorts.fingerprint(name)
    except CohortError:
        yield f"The cohort {name} was removed, or cannot be read."
        return
    if now != fingerprint:
        yield f"The cohort {name} holds other data now (fingerprint {now}, was {fingerprint})."
        return
    try:
        cohort = ledger.cohorts.load(name)
    except CohortError:
        yield f"The cohort {name} cannot be read."
        return
    plan = about_plan(ledger.plan_record(cohort))
    if plan["digest"] != frozen["plan"]["digest"]:
        yield f"The analysis plan was changed: {plan['note']}"
    elif plan["is_exploratory"] != frozen["plan"]["is_exploratory"]:
        yield f"The standing of the analysis plan has changed: {plan['note']}"
    candidate = frozen["candidate"]
    asked = {CANDIDATE: (candidate["epsilon"], candidate["delta"]), REFERENCE: None}
    for which, target in asked.items():
        finished = {
            status.run_id
            for status in finished_runs(ledger.runs, cohort, recipe=candidate["recipe"], start=candidate["start"])
            if status.spec.unit.value == candidate["unit"] and _asked(status.spec.privacy) == target
        }
        if more := finished - set(run_ids(frozen)):
            trainings = counted(len(more), "further training has", "further trainings have")
            yield f"Of the {which} {trainings} finished since, and count in the tables of pages."


def _asked(target: PrivacyTarget | None) -> tuple[float, float] | None:
    return None if target is None else (target.epsilon, target.delta)


def _of_run(runs: RunStore, run: Mapping[str, Any]) -> str:
    """What became of a run; empty where it is as it was."""
    run_id, which = run["run_id"], run["is"]
    try:
        state = runs.progress(run_id).state
        if state is not RunState.FINISHED:
            return f"Run {run_id} of the {which} is {state.value} now."
        if checksums(runs.root / run_id) != run["files"]:
            return f"Run {run_id} of the {which} was trained again, and is another model now."
        if runs.is_damaged(run_id):
            return f"Run {run_id} of the {which} is damaged."
    except DamagedRunError:
        return f"Run {run_id} of the {which} cannot be read."
    except RunError:
        return f"Run {run_id} of the {which} was removed."
    return ""


def _of_ledger(ledger: Ledger, frozen: Mapping[str, Any]) -> Iterator[str]:
    seq, digest = frozen["ledger"]["seq"], frozen["ledger"]["seal"]
    entries, broken = ledger.chain.verified()
    if seq and (seq > len(entries) or entries[seq - 1].digest != digest):
        yield "The ledger does not hold the entry that was its last: it was changed, or replaced by an older copy (`ledger check`)."
    elif broken is not None:
        yield f"The ledger is not genuine from entry {broken} on (`ledger check`)."
    elif len(entries) > seq:
        yield f"The ledger has moved on by {counted(len(entries) - seq, 'entry', 'entries')}: see what was spent since (`ledger show`)."


def _of_program(frozen: Mapping[str, Any]) -> Iterator[str]:
    was, now = frozen["program"], own_version()
    if now != was["version"]:
        yield f"DPMed has version {now} now, was {was['version']}: tables may be computed otherwise."
    elif code_version() != was["code"]:
        yield "The code or the libraries that compute tables were changed since: tables may be computed otherwise."
