"""The audit of the head on the head as shipped, and on broken ones: `python -m benchmarks audit`.

Each row is `N_AUDITS` audits of one version at one budget: how often the audit called it inconsistent, by which test, and the processor
seconds of one audit. The head as shipped should hardly ever be, each broken one nearly always. About 25 minutes on one core.
"""

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from benchmarks.head_mutants import MUTANTS, private_start
from benchmarks.recipes import DELTA
from dpmed_core.privacy.audit.head_audit import audit_head
from dpmed_core.training.recipes.catalogue import PROBE
from dpmed_core.training.recipes.train_probe import plan_probe
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit, RunSpec

EPSILONS = (1.0, 8.0)
N_UNITS, N_FINDINGS = 191, 2
N_TRAININGS, N_AUDITS = 1_000, 100
"""Trainings with the canary, and as many without; audits of each version."""
VERSIONS: dict[str, Callable[[], AbstractContextManager[object]]] = {"as shipped": nullcontext, **MUTANTS}
WITH_START: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "as shipped, at a public start": nullcontext,
    "start centred on private images": private_start,
}
"""Versions that begin at a public start."""


def rows() -> list[dict[str, object]]:
    """The head as shipped and each broken one, at each budget."""
    return [audited(name, epsilon) for epsilon in EPSILONS for name in (*VERSIONS, *WITH_START)]


def audited(name: str, epsilon: float, *, n_audits: int = N_AUDITS, n_trainings: int = N_TRAININGS) -> dict[str, object]:
    """One version at one budget, unit patient."""
    spec = RunSpec("", None, PROBE.name, PROBE.version, PrivacyUnit.PATIENT, PrivacyTarget(epsilon, DELTA), 0)
    plan = plan_probe(spec, n_units=N_UNITS, n_findings=N_FINDINGS)
    about = {"n_units": N_UNITS, "n_findings": N_FINDINGS, "n_trainings": n_trainings, "with_start": name in WITH_START}
    with (VERSIONS | WITH_START)[name]():
        audits = [audit_head(plan, unit=PrivacyUnit.PATIENT, **about) for _ in range(n_audits)]
    by_test = Counter(test for one in audits for test in one.failed)
    return {
        "version": name,
        "epsilon": epsilon,
        "claimed_mu": audits[0].claimed_mu,
        "inconsistent": sum(not one.consistent for one in audits),
        "of": n_audits,
        **{test: by_test[test] for test in ("mu", "noise", "shift", "reuse")},
        "median_lower_bound": sorted(one.lower_bound_mu for one in audits)[n_audits // 2],
        "seconds": sum(one.seconds for one in audits) / n_audits,
    }
