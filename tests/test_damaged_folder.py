"""Every command on a data folder with one damaged file: no traceback, the others' results stay, and the damaged one is named."""

import json
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from dpmed_core.cli import dpmed
from dpmed_core.cohort.split import assign_parts
from dpmed_core.engine.training_task import StoredSession
from dpmed_core.errors import DpmedError
from dpmed_core.installation import Installation
from dpmed_core.runs.plan import plan_runs
from dpmed_core.runs.status import Progress, RunState
from dpmed_core.settings import Settings, load_settings
from dpmed_core.training.recipes.train_probe import plan_probe
from dpmed_core.training.result import RunResult, TrainedModel
from dpmed_core.training.scores import held_out_rows, scores_table
from dpmed_core.training.spec import PrivacyUnit, RunSpec
from tests.conftest import KEY
from tests.damage import ANY, OBJECT
from tests.small_runs import make_cohort

COMMANDS = [
    *(["runs"], ["runs", "--cohort", "images"], ["evaluate", "--cohort", "images"], ["cohort", "list"], ["cohort", "show", "images"]),
    *(["ledger", "show"], ["ledger", "show", "--cohort", "images"], ["plan", "--cohort", "images", "--epsilons", "1"]),
    ["analysis-plan", "show", "--cohort", "images"],
]
OBJECTS = ("request.json", "progress.json", "result.json")
OF_RUN = ["request.json", "progress.json", "attempts.jsonl", "checksums.json", "result.json", "scores.parquet"]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, calibrations: Path) -> Path:
    """A data folder with two cohorts, and on the first a finished private run and its reference."""
    folder = tmp_path_factory.mktemp("damaged") / "data"
    folder.mkdir(mode=0o700)
    (folder / "secret.key").write_bytes(KEY)
    here = Installation.open(Settings(data_dir=folder, workers=1))
    make_cohort(here, "broken", 1)
    cohort = make_cohort(here)
    specs = plan_runs(cohort, key=here.key, recipe="probe", epsilons=[1.0], n_seeds=1, delta=None, unit=PrivacyUnit.PATIENT)
    here.ledger.ask(cohort, specs)
    for spec in specs:
        _store(here, spec)
    return folder


def _store(here: Installation, spec: RunSpec) -> None:
    """Finish a run as a worker does, with scores from the labels."""
    cohort, run_id = here.cohorts.load("images"), here.runs.run_id(spec)
    split = assign_parts(cohort, seed=0, key=here.key)
    scores = scores_table(cohort, split, np.random.default_rng(spec.seed).random((len(held_out_rows(split)), 1)))
    plan = plan_probe(spec, n_units=24, n_findings=1)
    session = StoredSession(here, run_id)
    session.begin()
    session.plan(plan.guarantee, 40)
    here.runs.finish(run_id, TrainedModel(RunResult(spec, plan.guarantee, 1.0, 3, 9, 24), scores, {"w": np.ones(3, np.float32)}))
    session.end(RunState.FINISHED)


@pytest.fixture
def here(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installation:
    folder = shutil.copytree(template, tmp_path / "data")
    monkeypatch.setenv("DPMED_DATA_DIR", str(folder))
    load_settings.cache_clear()
    yield Installation.open(load_settings())
    load_settings.cache_clear()


def call(*words: str) -> Result:
    """Call a command in this process; an error that is no `DpmedError` is a traceback that a user would see."""
    result = CliRunner().invoke(dpmed, list(words), standalone_mode=False)
    assert result.exception is None or isinstance(result.exception, DpmedError | SystemExit), (words, result.exception)
    return result


def private_run(here: Installation) -> Path:
    return next(here.runs.root / s.run_id for s in here.runs.statuses() if s.spec.privacy)


@pytest.mark.parametrize(
    ("file", "how"),
    [(file, how) for file in OF_RUN for how in ("emptied", "a folder")] + [(f, "unknown field") for f in OF_RUN if f in OBJECTS],
)
def test_no_command_ends_in_a_traceback_and_the_run_is_named(here: Installation, file: str, how: str) -> None:
    folder = private_run(here)
    (ANY | OBJECT)[how](folder / file, folder / file)
    listed = json.loads(call("runs", "--json").stdout)["runs"]
    assert len(listed) == 2
    [damaged] = [run for run in listed if run["run_id"] == folder.name]
    [whole] = [run for run in listed if run["run_id"] != folder.name]
    assert whole["state"] == "finished" and whole["guarantee"] is None
    if file != "attempts.jsonl":
        assert damaged["state"] == "unreadable" and folder.name in damaged["message"]
        assert folder.name in call("runs").stdout and "unreadable: " in call("runs").stdout
        evaluated = call("evaluate", "--cohort", "images", "--json")
        document = json.loads(evaluated.stdout)
        assert [one["run_id"] for one in document["left_out"]] == [folder.name] and folder.name in evaluated.stderr
        assert {row["run_id"] for row in document["utility"]} == {whole["run_id"]}
    assert json.loads(call("ledger", "show", "--json").stdout)["draws"] == 1
    for words in (["runs", "show", folder.name], ["runs", "cancel", folder.name], ["ledger", "check"]):
        call(*words)


@pytest.mark.parametrize("file", ["cohort.json", "report.json", "cases.parquet", "images.npy"])
def test_a_damaged_cohort_stops_no_command_about_another(here: Installation, file: str) -> None:
    (here.cohorts.root / "broken" / file).write_bytes(b"")
    for words in COMMANDS:
        assert call(*words).exit_code == 0, words
    document = json.loads(call("cohort", "list", "--json").stdout)
    assert [one["name"] for one in document["cohorts"]] == ["images"]
    [broken] = document["unreadable"]
    assert (broken["name"], broken["state"]) == ("broken", "unreadable") and f"its {file} " in broken["message"]
    assert call("cohort", "remove", "broken", "--yes").exit_code == 0
    assert json.loads(call("cohort", "list", "--json").stdout).keys() == {"cohorts"}


def test_a_run_that_lost_its_request_is_given_up_by_command(here: Installation) -> None:
    folder = private_run(here)
    (folder / "request.json").write_bytes(b"{")
    assert isinstance(call("runs", "retry", folder.name).exception, DpmedError)
    assert call("runs", "withdraw", folder.name, "--yes").exit_code == 0
    assert not (folder / "scores.parquet").exists() and (folder / "attempts.jsonl").exists()
    assert json.loads(call("ledger", "show", "--json").stdout)["draws"] == 1


def test_an_entry_of_the_ledger_that_was_changed_stops_training_under_a_cap_and_nothing_else(here: Installation) -> None:
    call("ledger", "cap", "50", "--name", "Officer", "--reason", "policy")
    with sqlite3.connect(here.settings.database_path) as database:
        database.execute("UPDATE ledger_entries SET body = 'not JSON' WHERE kind = 'planned'")
    shown = json.loads(call("ledger", "show", "--json").stdout)
    assert len(shown["unknown"]) == 2 and "cannot be told" in call("ledger", "show").stdout
    assert call("ledger", "check").exit_code == 2
    spec = next(s.spec for s in here.runs.statuses() if s.spec.privacy)
    with pytest.raises(DpmedError, match="cannot be told"):
        here.ledger.ask(here.cohorts.load("images"), [RunSpec(**{**vars(spec), "seed": 5})])
    assert call("evaluate", "--cohort", "images").exit_code == 0


def test_a_run_of_which_only_the_checksums_are_left_is_still_named(here: Installation) -> None:
    folder = private_run(here)
    for path in list(folder.iterdir()):
        if path.name != "checksums.json":
            path.unlink()
    assert [run["state"] for run in json.loads(call("runs", "--json").stdout)["runs"]] == ["finished", "unreadable"]


def test_progress_of_another_run_never_costs_a_result(here: Installation) -> None:
    folder = private_run(here)
    here.runs.set_progress(folder.name, Progress(RunState.FAILED, message="another's"))
    weights = (folder / "weights.safetensors").read_bytes()
    here.runs.retry(folder.name)
    assert here.runs.status(folder.name).state is RunState.FINISHED and (folder / "weights.safetensors").read_bytes() == weights
