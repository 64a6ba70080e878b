"""An installation with a small cohort, and runs whose attempts a test can write down."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

import pandas as pd
import pytest

from dpmed_core.cohort.report import ImportReport
from dpmed_core.cohort.schema import Cohort
from dpmed_core.installation import Installation
from dpmed_core.runs.status import RunStatus
from dpmed_core.training.accounting.full_batch import guarantee_full_batch
from dpmed_core.training.result import PrivacyGuarantee
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit, RunSpec
from tests.small_runs import cohort, installation, settings, spec, trainer

__all__ = ["cohort", "installation", "settings", "spec", "trainer"]

STEPS = 20
NOISE = 12.0

Begin = Callable[..., RunStatus]


def processes(n: int) -> ProcessPoolExecutor:
    """So many processes that share nothing; forked from one that has imported the ledger, which takes each of them seconds otherwise."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["dpmed_core.installation", "tests.small_runs"])
    return ProcessPoolExecutor(n, mp_context=context)


def guarantee(steps: int = STEPS, noise: float = NOISE, unit: PrivacyUnit = PrivacyUnit.PATIENT) -> PrivacyGuarantee:
    """Of full-batch steps, each with a squared mu of 1 / noise^2."""
    target = PrivacyTarget(1000.0, 1e-5)
    return guarantee_full_batch(target, noise_multiplier=noise, steps=steps, max_grad_norm=0.3, unit=unit, n_units=80)


@pytest.fixture
def begin(installation: Installation, cohort: Cohort) -> Begin:
    """Asks for a run, begins an attempt, and ends it after `end` steps; None leaves it open."""

    def start(
        seed: int,
        *,
        end: int | None = STEPS,
        unit: PrivacyUnit = PrivacyUnit.PATIENT,
        private: bool = True,
        of: Cohort | None = None,
        planned: PrivacyGuarantee | None = None,
    ) -> RunStatus:
        data = of or cohort
        spec = RunSpec(data.fingerprint, 0, "probe", 3, unit, PrivacyTarget(8, 1e-5) if private else None, seed)
        status = installation.ledger.ask(data, [spec])[0]
        will = (planned or guarantee(unit=unit)) if private else None
        draw = installation.ledger.begin(status, will, total_steps=STEPS, resumed=0)
        fields = {**vars(will), "unit": unit.value} if will else None
        installation.runs.record(status.run_id, "planned", draw=draw, guarantee=fields, total_steps=STEPS)
        if end is not None:
            whole = end == (will.steps if will else STEPS)
            installation.runs.record(status.run_id, "finished" if whole else "cancelled", steps=end)
            installation.ledger.settle(status.run_id)
        return status

    return start


@pytest.fixture
def version(installation: Installation, cohort: Cohort) -> Callable[..., Cohort]:
    """Another version of the cohort, without some of its images."""

    def make(name: str, keep: slice, *, patient_ids: Callable[[pd.Series], pd.Series] = lambda ids: ids) -> Cohort:
        cases = cohort.cases.iloc[keep].reset_index(drop=True)
        cases = cases.assign(patient_id=patient_ids(cases["patient_id"]))
        return installation.cohorts.write(
            name,
            modality=cohort.modality,
            synthetic=False,
            findings=cohort.findings,
            comorbidities=(),
            cases=cases,
            images=cohort.images[keep],
            report=ImportReport(len(cases), len(cases), len(cases), 0, 0),
        )

    return make


def with_seed(spec: RunSpec, seed: int) -> RunSpec:
    """The same run under another seed."""
    return replace(spec, seed=seed)
