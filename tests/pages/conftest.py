"""A data folder with a small synthetic cohort and runs in every state, as pages find it."""

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from filelock import FileLock
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from dpmed_core.cohort.demo.radiograph import add_demo_radiograph
from dpmed_core.cohort.schema import Cohort, Part
from dpmed_core.cohort.split import assign_parts
from dpmed_core.cohort.store import CohortStore
from dpmed_core.installation import Installation
from dpmed_core.runs.plan import plan_runs
from dpmed_core.runs.status import Progress, RunState
from dpmed_core.settings import load_settings
from dpmed_core.training.recipes.train_probe import plan_probe
from dpmed_core.training.result import RunResult, TrainedModel
from dpmed_core.training.scores import held_out_rows, scores_table
from dpmed_core.training.spec import PrivacyUnit, RunSpec

ROOT = Path(__file__).resolve().parents[2]
N_IMAGES = 150


@pytest.fixture
def empty(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installation]:
    """An installation without a cohort; no engine is ever started."""
    monkeypatch.setenv("DPMED_DATA_DIR", str(data_dir))
    monkeypatch.setenv("DPMED_DEMO", "false")
    monkeypatch.setattr("dpmed_core.engine.process.ensure_engine", lambda settings: None)
    load_settings.cache_clear()
    st.cache_resource.clear()
    st.cache_data.clear()
    yield Installation.open(load_settings())
    load_settings.cache_clear()


@pytest.fixture(scope="session", autouse=True)
def components_found_once() -> Iterator[None]:
    """Streamlit looks through every installed package for components whenever an app starts, which takes longer than most pages do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", cache(manifest_scanner.scan_component_manifests))
        yield


@pytest.fixture(scope="session")
def demo(shared_folder: Path, fixed_key: bytes) -> Path:
    """A folder with the small synthetic cohort, made once."""
    store = CohortStore(shared_folder / "demo", fixed_key)
    with FileLock(shared_folder / "demo.lock"):
        if not store.names():
            add_demo_radiograph(store, name="demo-radiograph", n_cases=N_IMAGES, workers=1)
    return store.root


@pytest.fixture
def cohort(empty: Installation, demo: Path) -> Cohort:
    shutil.copytree(demo, empty.cohorts.root, dirs_exist_ok=True)
    return empty.cohorts.load("demo-radiograph")


@pytest.fixture
def asked(empty: Installation, cohort: Cohort) -> list[RunSpec]:
    """A probe run at ε = 1 and its non-private reference, queued."""
    specs = plan_runs(cohort, key=empty.key, recipe="probe", epsilons=[1.0], n_seeds=1, delta=None, unit=PrivacyUnit.PATIENT)
    empty.ledger.ask(cohort, specs)
    return specs


@pytest.fixture
def finish(empty: Installation, cohort: Cohort) -> Callable[..., None]:
    """Stores a result as a worker would; its scores come from the labels, blurred by a fixed amount that `luck` names."""

    def store(spec: RunSpec, luck: int = 3) -> None:
        split = assign_parts(cohort, seed=spec.split_seed or 0, key=empty.key)
        blur = np.random.default_rng(luck).random((len(held_out_rows(split)), len(cohort.findings)))
        probabilities = 0.3 * cohort.labels[held_out_rows(split)] + 0.7 * blur
        n_units = cohort.cases["patient_id"][split.parts == Part.TRAIN.value].nunique()
        guarantee = plan_probe(spec, n_units=n_units, n_findings=len(cohort.findings)).guarantee
        result = RunResult(spec, guarantee, elapsed_seconds=1.0, n_parameters=8, n_train_cases=n_units, n_train_units=n_units)
        run_id = empty.runs.run_id(spec)
        empty.runs.finish(run_id, TrainedModel(result, scores_table(cohort, split, probabilities), {"weights": np.zeros((2, 4))}))
        empty.runs.set_progress(run_id, replace(Progress(RunState.FINISHED), step=40, total_steps=40, attempt=1))

    return store


@pytest.fixture
def open_page(empty: Installation, monkeypatch: pytest.MonkeyPatch) -> Callable[..., AppTest]:
    """Renders a page inside the frame, as a browser that opens this address would get it."""
    # AppTest leaves the page as the main module, which processes that tests start would run again.
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])

    def render(page: str, **address: str) -> AppTest:
        app = AppTest.from_file(str(ROOT / "pages" / "frame.py"), default_timeout=120)
        if page == "import_cohort":
            app.run()  # Streamlit finds a page whose address is not its file's name only after a first run
            app.query_params = {}
        for name, value in address.items():
            app.query_params[name] = value
        return app.switch_page(f"{page}.py").run() if page != "overview" else app.run()

    return render
