"""A data folder with a small synthetic cohort and runs in every state, as pages find it."""

import shutil
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
import streamlit as st
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from dpmed_core.cohort.schema import Cohort
from dpmed_core.installation import Installation
from dpmed_core.runs.plan import plan_runs
from dpmed_core.settings import load_settings
from dpmed_core.training.spec import PrivacyUnit, RunSpec
from tests.finished_runs import demo, finish_run

__all__ = ["demo"]
ROOT = Path(__file__).resolve().parents[2]


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
        finish_run(empty, cohort, spec, luck)

    return store


@pytest.fixture
def open_page(empty: Installation, monkeypatch: pytest.MonkeyPatch) -> Callable[..., AppTest]:
    """Renders a page inside the frame, as a browser that opens this address would get it."""
    # AppTest leaves the page as the main module, which processes that tests start would run again.
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])

    def render(page: str, *, user: dict[str, object] | None = None, **address: str) -> AppTest:
        app = AppTest.from_file(str(ROOT / "pages" / "frame.py"), default_timeout=120)
        app.user = app.user if user is None else user
        if page == "import_cohort":
            app.run()  # Streamlit finds a page whose address is not its file's name only after a first run
            app.query_params = {}
        for name, value in address.items():
            app.query_params[name] = value
        return app.switch_page(f"{page}.py").run() if page != "overview" else app.run()

    return render
