"""The time a page waits for the answer to an inference request, with the engine idle and with every training worker training."""

import os
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import numpy as np

from dpmed_core.cohort.demo.radiograph import add_demo_radiograph
from dpmed_core.cohort.schema import Cohort
from dpmed_core.cohort.split import assign_parts
from dpmed_core.engine import inference_client
from dpmed_core.engine.process import address, engine_is_alive, ensure_engine
from dpmed_core.engine.training_task import work_on
from dpmed_core.explanations.methods import methods_of
from dpmed_core.inference.requests import Explanation, InferenceRequest, UploadedCase
from dpmed_core.inference.store import InferenceRequests
from dpmed_core.installation import Installation
from dpmed_core.runs.plan import plan_runs
from dpmed_core.runs.status import RunState
from dpmed_core.settings import Settings
from dpmed_core.training.scores import held_out_rows
from dpmed_core.training.spec import PrivacyUnit

N_IMAGES = 150
ROUNDS = 5
LONGEST_SECONDS = 120.0
EPSILONS = {"probe": [0.3, 1.0, 8.0], "paper": [8.0]}
Models = tuple[tuple[str, str], ...]


def rows() -> list[dict[str, object]]:
    """One row per kind of request and state of the engine: median and largest seconds from the request to the answer on disk."""
    with tempfile.TemporaryDirectory() as folder:
        installation = Installation.open(Settings(data_dir=Path(folder), workers=2))
        add_demo_radiograph(installation.cohorts, name="demo", n_cases=N_IMAGES)
        cohort = installation.cohorts.load("demo")
        models = {recipe: _trained(installation, cohort, recipe) for recipe in EPSILONS}
        with _engine(installation):
            idle = _measured(installation, cohort, models, "idle")
            busy_with = _train_two(installation, cohort)
            busy = _measured(installation, cohort, models, "two trainings")
            assert all(installation.runs.status(run_id).state is RunState.TRAINING for run_id in busy_with)
            return [*idle, *busy]


def _trained(installation: Installation, cohort: Cohort, recipe: str) -> Models:
    """Runs of a recipe, trained in this process."""
    names = _ask(installation, cohort, recipe, EPSILONS[recipe], non_private=True)
    for run_id in names:
        work_on(installation.settings, run_id)
    return tuple((run_id, installation.runs.weights_digest(run_id)) for run_id in names)


def _ask(installation: Installation, cohort: Cohort, recipe: str, epsilons: list[float], *, non_private: bool) -> list[str]:
    options = {"recipe": recipe, "epsilons": epsilons, "n_seeds": 1, "delta": None, "unit": PrivacyUnit.PATIENT}
    specs = plan_runs(cohort, key=installation.key, non_private=non_private, **options)
    return [installation.runs.ask(spec, cohort_name=cohort.name).run_id for spec in specs]


def _train_two(installation: Installation, cohort: Cohort) -> list[str]:
    names = _ask(installation, cohort, "paper", [2.0, 4.0], non_private=False)
    while not all(installation.runs.status(run_id).step > 0 for run_id in names):
        time.sleep(0.1)
    return names


@contextmanager
def _engine(installation: Installation) -> Iterator[None]:
    ensure_engine(installation.settings)
    try:
        yield
    finally:
        for status in installation.runs.statuses():
            if status.state in (RunState.TRAINING, RunState.QUEUED):
                installation.runs.cancel(status.run_id)
        os.kill(int(str((address(installation.settings) or {})["pid"])), signal.SIGTERM)
        while engine_is_alive(installation.settings):
            time.sleep(0.1)


def _measured(installation: Installation, cohort: Cohort, models: dict[str, Models], engine: str) -> list[dict[str, object]]:
    requests, rows = InferenceRequests(installation), []
    held_out = held_out_rows(assign_parts(cohort, seed=0, key=installation.key))
    offset = 0 if engine == "idle" else ROUNDS  # a request that was answered before takes no time
    for recipe, of_recipe in models.items():
        pair = (of_recipe[1], of_recipe[0])
        for card in methods_of(recipe):
            asked: list[InferenceRequest] = [
                Explanation("demo", cohort.cases["case_id"].iloc[row], pair, cohort.findings[0], card.name)
                for row in held_out[offset : offset + ROUNDS]
            ]
            rows.append(_row(f"{recipe}, {card.name}, two models", engine, [_seconds(requests, one) for one in asked]))
        pixels = np.array(cohort.images[held_out[0]])
        uploaded = [_seconds(requests, UploadedCase("demo", of_recipe), pixels) for _ in range(ROUNDS)]
        rows.append(_row(f"{recipe}, uploaded case, {len(of_recipe)} models", engine, uploaded))
    return rows


def _seconds(requests: InferenceRequests, request: InferenceRequest, pixels: np.ndarray | None = None) -> float:
    began = time.monotonic()
    name = inference_client.ask(requests, request, pixels=pixels)
    while requests.state(name).is_open:
        time.sleep(0.01)
    assert requests.fetch(name) is not None, requests.state(name).message
    return time.monotonic() - began


def _row(case: str, engine: str, seconds: list[float]) -> dict[str, object]:
    return {"case": case, "engine": engine, "median_seconds": median(seconds), "largest_seconds": max(seconds), "n": len(seconds)}
