"""The audit of networks' private steps on the steps as shipped, and on broken ones: `python -m benchmarks step-audit`.

Each row is `N_AUDITS` audits of one version at one budget, in two and in three dimensions, of few steps of narrow networks of the recipes'
kind: how often the audit called it inconsistent, by which test, and the processor seconds of one audit. About 25 minutes on one core.
"""

import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

from benchmarks.recipes import DELTA
from benchmarks.step_mutants import MUTANTS
from dpmed_core.privacy.audit.findings import StepAudit
from dpmed_core.privacy.audit.step_audit import CANARY_IMAGES, judged
from dpmed_core.training.dirac_canaries import observe_training
from dpmed_core.training.networks.models import ResNet9
from dpmed_core.training.recipes.networks import NETWORKS, NetworkRecipe
from dpmed_core.training.recipes.train_network import plan_network
from dpmed_core.training.result import PrivacyGuarantee
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit, RunSpec

EPSILONS = {"2D": 1.0, "3D": 8.0}
WIDTH, SIDE = 0.01, 8
"""Of the narrow networks, and of their images."""
N_CANARIES = {"2D": 500, "3D": 300}
N_FINDINGS, N_AUDITS = 2, 100
EPOCHS = {"2D": 3, "3D": 2}
"""Of the training: so many steps as sample each unit three times, or twice."""
VERSIONS: dict[str, Callable[[], AbstractContextManager[object]]] = {"as shipped": nullcontext, **MUTANTS}


def rows() -> list[dict[str, object]]:
    """The steps as shipped and each broken version, in two and in three dimensions."""
    return [audited(name, dimensions) for dimensions in EPSILONS for name in VERSIONS]


@cache
def narrow(dimensions: str) -> tuple[NetworkRecipe, PrivacyGuarantee]:
    """A narrow and short version of recipe `paper` or `paper3d`, and its guarantee."""
    recipe = NETWORKS["paper" if dimensions == "2D" else "paper3d"]
    recipe = replace(recipe, build=partial(ResNet9, width=WIDTH, dimensions=int(dimensions[0])), epochs=EPOCHS[dimensions])
    target = PrivacyTarget(EPSILONS[dimensions], DELTA)
    spec = RunSpec("", None, recipe.card.name, recipe.card.version, PrivacyUnit.PATIENT, target, 0)
    guarantee = plan_network(recipe, spec, n_units=N_CANARIES[dimensions], calibrations_dir=None)[1]
    assert guarantee is not None
    return recipe, guarantee


def audited_once(dimensions: str) -> StepAudit:
    """One audit of what runs at present."""
    recipe, guarantee = narrow(dimensions)
    began = time.process_time()
    seen = observe_training(
        recipe,
        guarantee,
        steps=guarantee.steps,
        n_findings=N_FINDINGS,
        n_canaries=N_CANARIES[dimensions],
        canary_images=CANARY_IMAGES,
        encoders_dir=Path(),
        side=SIDE,
    )
    return judged(seen, guarantee, began=began)


def audited(name: str, dimensions: str, *, n_audits: int = N_AUDITS) -> dict[str, object]:
    """One version, unit patient."""
    narrow(dimensions)
    with VERSIONS[name]():
        audits = [audited_once(dimensions) for _ in range(n_audits)]
    by_test = Counter(test for one in audits for test in one.failed)
    return {
        "version": name,
        "dimensions": dimensions,
        "epsilon": EPSILONS[dimensions],
        "claimed_mu": audits[0].claimed_mu,
        "inconsistent": sum(not one.consistent for one in audits),
        "of": n_audits,
        **{test: by_test[test] for test in ("mu", "guesses", "noise", "shift", "reuse")},
        "median_lower_bound": sorted(one.lower_bound_mu for one in audits)[n_audits // 2],
        "seconds": sum(one.seconds for one in audits) / n_audits,
    }
