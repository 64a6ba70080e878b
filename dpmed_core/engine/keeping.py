"""What pages show of finished runs, computed in the background: when a run is finished, and where code or an analysis plan has changed."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dpmed_core.errors import DpmedError, in_words
from dpmed_core.files import keep_files_to_owner
from dpmed_core.installation import Installation
from dpmed_core.runs.index import LOOK_AT_ALL_SECONDS, Listing
from dpmed_core.runs.status import RunState
from dpmed_core.settings import Settings

if TYPE_CHECKING:
    from distributed import Client, Future

log = logging.getLogger(__name__)

PRIORITY = -1_000_000_000
"""Dask priority below that of every training run."""
SECONDS_EACH = 20.0
"""How long one task computes: a run that is asked for meanwhile waits for no longer."""


def keep_run(settings: Settings, run_id: str) -> None:
    """Compute what pages show of a finished run; whatever goes wrong, it is computed when somebody looks."""
    try:
        installation = Installation.open(settings)
        status = installation.runs.status(run_id)
        if status.state is not RunState.FINISHED:
            return
        _keep_of_cohort(installation, status.spec.cohort_fingerprint, only=run_id)
    except Exception as error:  # noqa: BLE001 (the run is finished, and nothing of it depends on this)
        log.warning("tables of run %s are not kept: %s", run_id, in_words(error))


def keep_missing(settings: Settings) -> bool:
    """Compute what is missing for some time; whether more is missing. What is sent to a worker."""
    keep_files_to_owner()
    installation, deadline = Installation.open(settings), time.monotonic() + SECONDS_EACH
    listing = installation.runs.listing()
    for fingerprint in listing.by_cohort:
        try:
            if not _keep_of_cohort(installation, fingerprint, deadline=deadline):
                return True
        except Exception as error:  # noqa: BLE001 (of one cohort that cannot be read; the others are computed)
            log.warning("tables of a cohort are not kept: %s", in_words(error))
    return False


def _keep_of_cohort(installation: Installation, fingerprint: str, *, only: str | None = None, deadline: float | None = None) -> bool:
    """Compute what is missing of the runs on a cohort, or of one; False where the time ended before that."""
    from dpmed_core.evaluation.keep_tables import (
        TOGETHER,
        keep_shown,
        keep_tables,
        runs_to_keep,
    )  # not in an engine that has nothing to keep

    try:
        cohort = installation.cohorts.with_fingerprint(fingerprint)
    except DpmedError:  # removed, or it cannot be read
        return True
    plans = installation.ledger.plan_record(cohort)
    plan = plans.plan
    missing = [status for status in runs_to_keep(installation.runs, cohort, plan) if only in (None, status.run_id)]
    n_together, at = 1, 0
    while at < len(missing):
        began = time.monotonic()
        if deadline is not None and began > deadline:
            return False
        keep_tables(installation.runs, cohort, plan, missing[at : at + n_together])
        at += n_together
        n_together = min(2 * n_together, TOGETHER) if time.monotonic() - began < 1.0 else 1  # of large cohorts one run takes many seconds
    return only is not None or keep_shown(installation.runs, cohort, plans, until=deadline)


@dataclass(eq=False)
class Keeping:
    """Has a worker compute what is missing, once the engine has started and whenever runs have changed and none is open.

    Attributes:
        installation: whose runs.
        client: of the scheduler.
        resources: what the task demands of its worker.
    """

    installation: Installation
    client: "Client"
    resources: Mapping[str, float] = field(default_factory=dict)
    _future: "Future[bool] | None" = None
    _seen: Listing | None = None

    def submit_new(self, *, is_free: bool) -> bool:
        """Submit the task where it is due and the engine `is_free`; whether it is at work."""
        if self._future is not None:
            if not self._future.done():
                return True
            if self._future.status == "finished" and self._future.result():
                self._seen = None
            self._future = None
        listing = self.installation.runs.listing(at_most_seconds_old=LOOK_AT_ALL_SECONDS)
        if not is_free or listing is self._seen:
            return False
        self._seen = listing
        self._future = self.client.submit(
            keep_missing, self.installation.settings, pure=False, priority=PRIORITY, resources=dict(self.resources)
        )
        return True
