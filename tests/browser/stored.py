"""What a served data folder holds, without drawing an image or training a model."""

import shutil
from pathlib import Path

from dpmed_core.cohort.schema import Cohort
from dpmed_core.installation import Installation
from dpmed_core.runs.plan import plan_runs
from dpmed_core.settings import Settings
from dpmed_core.training.spec import PrivacyUnit
from tests.finished_runs import finish_run


def store_demo(settings: Settings, demo: Path, epsilons: list[float], n_seeds: int) -> Cohort:
    """Give a data folder the small synthetic cohort, with finished runs whose scores are made up; its name is "demo-radiograph"."""
    here = Installation.open(settings)
    shutil.copytree(demo, here.cohorts.root, dirs_exist_ok=True)
    cohort = here.cohorts.load("demo-radiograph")
    about = {"key": here.key, "recipe": "probe", "n_seeds": n_seeds, "delta": 1e-5, "unit": PrivacyUnit.PATIENT}
    specs = plan_runs(cohort, epsilons=epsilons, **about)
    here.ledger.ask(cohort, specs)
    for luck, spec in enumerate(specs):
        finish_run(here, cohort, spec, luck)
    return cohort
