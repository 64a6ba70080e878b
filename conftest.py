"""What holds for every test and doctest: one thread per process, no use of the product's data folder, files with long tests first."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")

# Each process of the suite computes with one thread: `make test` runs one process a core, and more threads than cores only wait for
# each other. This stands before anything imports numpy or torch, which read these variables once; processes that tests start inherit them.
for name in THREADS:
    os.environ.setdefault(name, "1")


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all processes of this test run, for what is expensive to make and the same for all of them."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def calibrations(shared_folder: Path) -> Path:
    """Where every data folder keeps its calibrations: they are functions of public numbers, and seconds each."""
    folder = shared_folder / "calibrations"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session", autouse=True)
def unnamed_data_folder(tmp_path_factory: pytest.TempPathFactory, calibrations: Path) -> Iterator[None]:
    """Whatever is computed without a data folder of its own uses a temporary one, never the product's."""
    folder = tmp_path_factory.mktemp("unnamed-data")
    (folder / "calibrations").symlink_to(calibrations)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DPMED_DATA_DIR", str(folder))
        yield


@pytest.fixture(scope="session", autouse=True)
def no_flush() -> Iterator[None]:
    """No write of this process waits for the disk: what a test sees of a killed process comes from memory. Processes of their own wait."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put files with slow tests first, then those with a browser, so that no process of `--dist loadfile` begins a long file last."""
    weight: dict[object, int] = {}
    for item in items:
        marked = 2 * bool(item.get_closest_marker("slow")) + bool(item.get_closest_marker("browser"))
        weight[item.path] = max(weight.get(item.path, 0), marked)
    items.sort(key=lambda item: -weight[item.path])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Seconds of each folder of tests, summed over processes, where more than one ran."""
    seconds: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                seconds["/".join(report.nodeid.split("::")[0].split("/")[:2])] += report.duration
    if len(seconds) > 1:
        terminalreporter.section("seconds by folder")
        for folder, spent in seconds.most_common():
            terminalreporter.write_line(f"{spent:7.1f}  {folder}")
