"""What the number of stored runs costs: commands, rerun of pages, the idle engine and an evaluation, at 50, 1,000 and 5,000 runs.

CPU seconds, since other work on the machine stretches time: of a command without starting Python, of a page's rerun with its first run
behind it, of the idle engine with its workers a minute. The shown cohort has fifty runs at every size, so that what grows is the store.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.many_runs_store import OF_SHOWN, SHOWN, fill, make_cohorts, name_of
from dpmed_core.evaluation.keep_tables import runs_to_keep
from dpmed_core.installation import Installation
from dpmed_core.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
SIZES = (50, 1000, 5000)
COMMANDS = (["runs"], ["runs", "--json"], ["cohort", "list"], ["evaluate", "--cohort", SHOWN, "--by", "sex"])
PAGES = ("overview", "train", "privacy_utility", "fairness", "privacy", "cases", "status")
SETTLING_SECONDS, IDLE_SECONDS, FILLING_SECONDS = 60, 180, 3600

OF_COMMAND = """
import sys, time
from dpmed_core.cli import dpmed
began = time.process_time()
dpmed.main(sys.argv[1:], standalone_mode=False)
print(time.process_time() - began, file=sys.stderr)
"""
OF_PAGES = """
import json, logging, sys, time
logging.disable(logging.CRITICAL)
from streamlit.testing.v1 import AppTest
found = {}
for page in sys.argv[3:]:
    app = AppTest.from_file(sys.argv[1], default_timeout=600)
    app.query_params["cohort"] = sys.argv[2]
    app = app.switch_page(f"{page}.py").run() if page != "overview" else app.run()
    assert not app.exception
    times = []
    for _ in range(7):
        began = time.process_time()
        app.run()
        times.append(time.process_time() - began)
    found[page] = sorted(times)[len(times) // 2]
print(json.dumps(found))
"""


def rows() -> list[dict[str, object]]:
    """One row for each size and case: CPU seconds, and their ratio to those of the smallest store."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder) / "data", workers=1)
        here, already, found = Installation.open(settings), 0, []
        make_cohorts(here)
        for size in SIZES:
            fill(here, size, already=already)
            already = size
            found += [{"runs": len(here.runs.ids()), "case": case, "cpu_s": round(seconds, 3)} for case, seconds in _measured(settings)]
        other = name_of(1)
        n_other = len(here.runs.of_cohort(here.cohorts.fingerprint(other)))
        per_run = (_of_command(settings, ["evaluate", "--cohort", other, "--by", "sex"]) - float(str(_last(found, "evaluate")))) / (
            n_other - OF_SHOWN
        )
        found.append({"runs": n_other, "case": "evaluate, each further run of the cohort", "cpu_s": round(per_run, 4)})
    least = {row["case"]: float(str(row["cpu_s"])) for row in reversed(found)}
    return [{**row, "ratio": round(float(str(row["cpu_s"])) / max(least[row["case"]], 1e-3), 2)} for row in found]


def _last(found: list[dict[str, object]], case: str) -> object:
    return next(row["cpu_s"] for row in reversed(found) if str(row["case"]).startswith(case))


def _measured(settings: Settings) -> list[tuple[str, float]]:
    """Each case and its CPU seconds."""
    _of_command(settings, ["runs"])  # the index is written by whoever looks first
    commands = [(" ".join(words), _of_command(settings, words)) for words in COMMANDS]
    pages = [(f"rerun of {page}", seconds) for page, seconds in _of_pages(settings).items()]
    return [*commands, *pages, ("idle engine, a minute", _of_idle_engine(settings))]


def _environment(settings: Settings) -> dict[str, str]:
    return {**os.environ, "DPMED_DATA_DIR": str(settings.data_dir), "DPMED_DEMO": "false", "DPMED_WORKERS": "1", "PYTHONPATH": str(ROOT)}


def _of_command(settings: Settings, words: list[str]) -> float:
    command = [sys.executable, "-c", OF_COMMAND, *words]
    done = subprocess.run(command, env=_environment(settings), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True)
    return float(done.stderr.splitlines()[-1])


def _of_pages(settings: Settings) -> dict[str, float]:
    command = [sys.executable, "-c", OF_PAGES, str(ROOT / "pages" / "frame.py"), SHOWN, *PAGES]
    done = subprocess.run(command, env=_environment(settings), capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _of_idle_engine(settings: Settings) -> float:
    """CPU seconds a minute of the engine and all its workers, once what pages show of all runs has been computed in the background."""
    longest = FILLING_SECONDS + SETTLING_SECONDS + IDLE_SECONDS
    environment = _environment(settings) | {"DPMED_ENGINE_IDLE_SECONDS": str(2 * longest)}
    command = [sys.executable, "-m", "dpmed_core", "engine"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_until_filled(settings)
        time.sleep(SETTLING_SECONDS)
        began, before = time.monotonic(), _processor_seconds(process.pid)
        time.sleep(IDLE_SECONDS)
        seconds, after = time.monotonic() - began, _processor_seconds(process.pid)
    finally:
        process.terminate()
        process.wait()
    assert after.keys() == before.keys(), "a worker ended meanwhile"
    return sum(after[pid] - before[pid] for pid in before) * 60 / seconds


def _wait_until_filled(settings: Settings) -> None:
    """Wait until nothing is missing of what pages show of finished runs.

    Raises:
        TimeoutError: it is still being computed.
    """
    deadline = time.monotonic() + FILLING_SECONDS
    while n_missing := _n_missing(Installation.open(settings)):
        if time.monotonic() > deadline:
            raise TimeoutError(f"tables of {n_missing} runs are missing")
        time.sleep(5)


def _n_missing(here: Installation) -> int:
    """Of how many finished runs something is missing."""
    cohorts = [here.cohorts.with_fingerprint(fingerprint) for fingerprint in here.runs.listing().by_cohort]
    return sum(len(runs_to_keep(here.runs, cohort, here.ledger.plan_record(cohort).plan)) for cohort in cohorts)


def _processor_seconds(pid: int) -> dict[int, float]:
    """Of a process and all that it has started, by pid."""
    processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return {one.pid: one.cpu_times().user + one.cpu_times().system for one in processes}
