"""Training runs of recipe `probe` in the calling process, without the engine: a head on cached features takes a fraction of a second.

Such a run is like any other: the same specification, name, lock, record of what it spends, and files. Several are trained together, by one
matrix product.
"""

from collections.abc import Sequence
from contextlib import ExitStack

from filelock import Timeout

from dpmed_core.cohort.schema import Cohort
from dpmed_core.cohort.split import assign_parts
from dpmed_core.engine.training_task import StoredSession
from dpmed_core.errors import DpmedError
from dpmed_core.installation import Installation
from dpmed_core.runs.plan import n_train_units
from dpmed_core.runs.status import OPEN_STATES, RunState, RunStatus
from dpmed_core.training.encoders.joined_features import joined_are_cached, joined_features
from dpmed_core.training.privacy_units import training_units
from dpmed_core.training.recipes.catalogue import PROBE
from dpmed_core.training.recipes.train_probe import ProbePlan, accounted_steps, head_start_of, plan_probe, reads_outputs, train_as_planned
from dpmed_core.training.result import PrivacyGuarantee
from dpmed_core.training.spec import RunSpec
from dpmed_core.training.starts.phantom_start import begins_at_phantoms


def can_train_inline(installation: Installation, cohort: Cohort, specs: Sequence[RunSpec]) -> bool:
    """Whether all of `specs` can be trained here: they are of recipe `probe`, and the features it needs are cached."""
    if not all(spec.recipe == PROBE.name and spec.recipe_version == PROBE.version for spec in specs):
        return False
    folders = {"features_dir": installation.cohorts.features_dir(cohort.name), "encoders_dir": installation.settings.encoders_dir}
    needed = {(spec.encoder, begins_at_phantoms(spec.start)) for spec in specs} or {(None, False)}
    return all(joined_are_cached(cohort.modality, encoder, **folders, with_outputs=outputs) for encoder, outputs in needed)


def train_inline(installation: Installation, cohort: Cohort, specs: Sequence[RunSpec]) -> list[RunStatus]:
    """The status of `specs` after those were trained here that had no result and that no other process was training.

    What each will spend is recorded before any of them is trained.

    Args:
        installation: where the runs are stored.
        cohort: the data.
        specs: runs with the same cohort, split, unit, added encoder and start.
    """
    runs = installation.runs
    installation.ledger.ask(cohort, specs)
    with ExitStack() as locks:
        mine = [spec for spec in specs if _take(installation, runs.run_id(spec), locks)]
        if mine:
            _train(installation, cohort, mine)
    return [runs.status(runs.run_id(spec)) for spec in specs]


def foreseen_guarantee(installation: Installation, cohort: Cohort, spec: RunSpec) -> PrivacyGuarantee | None:
    """What a private run of recipe `probe` would spend; None for the other recipes, of which that is not known without loading torch."""
    if spec.recipe != PROBE.name:
        return None
    n_units = n_train_units(cohort, key=installation.key, unit=spec.unit)
    return plan_probe(spec, n_units=n_units, n_findings=len(cohort.findings)).guarantee


def _take(installation: Installation, run_id: str, locks: ExitStack) -> bool:
    """Whether the run is open and its training lock was free; `locks` then holds it."""
    if installation.runs.status(run_id).state not in OPEN_STATES:
        return False
    try:
        locks.enter_context(installation.runs.worker_lock(run_id).acquire(timeout=0))
    except Timeout:
        return False
    # Asked again: another process may have finished the run before its lock was taken here.
    return installation.runs.status(run_id).state in OPEN_STATES and not installation.runs.is_complete(run_id)


def _planned(plan: ProbePlan, session: StoredSession) -> bool:
    """Whether the ledger let the run begin; otherwise it has failed, and says why."""
    try:
        session.plan(plan.guarantee, accounted_steps(plan))
    except DpmedError as error:
        session.end(RunState.FAILED, message=str(error))
        return False
    return True


def _train(installation: Installation, cohort: Cohort, specs: list[RunSpec]) -> None:
    """Train runs whose locks are held: record all plans, train all of them together, store each."""
    start = head_start_of(specs[0], cohort, installation.starts)  # first: runs whose start is gone spend nothing
    split = assign_parts(cohort, seed=specs[0].split_seed or 0, key=installation.key)
    units = training_units(cohort, split, specs[0].unit)
    plans = [plan_probe(spec, n_units=len(units), n_findings=len(cohort.findings)) for spec in specs]
    sessions = [StoredSession(installation, installation.runs.run_id(spec)) for spec in specs]
    begun = [(s, p, q) for s, p, q in zip(specs, plans, sessions, strict=True) if q.begin() and _planned(p, q)]
    if not begun:
        return
    features = joined_features(
        cohort,
        specs[0].encoder,
        features_dir=installation.cohorts.features_dir(cohort.name),
        encoders_dir=installation.settings.encoders_dir,
        added_dir=installation.settings.added_encoders_dir,
        with_outputs=reads_outputs(start),
    )
    for _, _, session in begun:
        session.charge_all()
    of_runs = [b[0] for b in begun], [b[1] for b in begun]
    models = train_as_planned(*of_runs, cohort, split, features=features, units=units, start=start)
    for (_, _, session), model in zip(begun, models, strict=True):
        installation.runs.finish(installation.runs.run_id(model.result.spec), model)
        session.end(RunState.FINISHED, elapsed_seconds=model.result.elapsed_seconds)
