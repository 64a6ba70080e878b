"""The command line as a person or a script meets it: a process of its own, its two streams, its exit code."""

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image
from sklearn.metrics import roc_auc_score

from dpmed_core.cohort.sources.catalogue import ADAPTERS
from dpmed_core.commands import training
from dpmed_core.installation import Installation
from dpmed_core.reporting.static_images import browser
from dpmed_core.runs.plan import plan_runs
from dpmed_core.runs.status import Progress, RunState
from dpmed_core.training.recipes.train_probe import plan_probe
from dpmed_core.training.result import SCORE_COLUMNS, RunResult, TrainedModel
from tests.small_runs import cohort, installation, settings, spec

ROOT = Path(__file__).resolve().parents[1]
__all__ = ["cohort", "installation", "settings", "spec"]


FORKING = """
import json, os, signal, sys
from dpmed_core.cli import main
for line in sys.stdin:
    words, environment, files = json.loads(line)
    child = os.fork()
    if child == 0:
        signal.alarm(300)
        os.environ.update(environment)
        for stream, file in zip((0, 1, 2), (os.devnull, *files)):
            os.dup2(os.open(file, os.O_RDWR | os.O_CREAT), stream)
        sys.argv[1:] = words
        try:
            main()
        except SystemExit as end:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(end.code or 0)  # without tearing down what was imported, which takes longer than most commands
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
"""Imports the command line once, and gives each command that it reads a process of its own."""


@pytest.fixture
def environment(data_dir):
    return {"DPMED_DATA_DIR": str(data_dir), "DPMED_ENGINE_IDLE_SECONDS": "1", "DPMED_WORKERS": "1"}


@pytest.fixture
def dpmed_anew(environment):
    """Runs `python -m dpmed_core` with words, from the start."""

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-W", "ignore", "-m", "dpmed_core", *words]
        return subprocess.run(
            command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=300, check=False
        )

    return call


@pytest.fixture(scope="module")
def forking():
    command = [sys.executable, "-W", "ignore", "-c", FORKING]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process


@pytest.fixture
def dpmed(forking, environment, tmp_path):
    """The same without the two seconds that importing takes: the process of a command is forked from one that has imported it."""

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        files = [tmp_path / "stdout", tmp_path / "stderr"]
        for file in files:
            file.write_text("")
        forking.stdin.write(json.dumps([words, environment, [str(file) for file in files]]) + "\n")
        forking.stdin.flush()
        return subprocess.CompletedProcess(words, int(forking.stdout.readline()), *(file.read_text() for file in files))

    return call


@pytest.fixture
def manifest(tmp_path):
    """120 pictures of 60 patients; the upper half is brighter where there is a mass; one row is wrong."""
    rng = np.random.default_rng(0)
    lines = ["image,patient_id,age,sex,mass"]
    for i in range(120):
        label = int(rng.random() < 0.5)
        pixels = rng.integers(0, 150, (40, 40), dtype=np.uint8)
        pixels[:20] += np.uint8(60 * label)
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
        lines.append(f"{i}.png,p{i // 2},{30 + i // 2},{'FM'[i // 2 % 2]},{label}")
    lines.append("none.png,p99,50,F,0")
    (tmp_path / "manifest.csv").write_text("\n".join(lines))
    return tmp_path / "manifest.csv"


@pytest.mark.parametrize(
    "words",
    [
        ("cohort", "show", "none"),
        ("cohort", "add", "x", "--manifest", "/nowhere.csv", "--findings", "mass"),
        ("train", "--cohort", "none", "--recipe", "probe", "--epsilon", "1"),
        ("train", "--cohort", "none", "--epsilon", "1", "--delta", "1e-5,1e-6"),
        ("evaluate", "--cohort", "none"),
        ("evaluate", "--cohort", "none", "--operating-point", "sharp"),
        ("evaluate", "--cohort", "none", "--prevalence", "rare"),
        ("runs", "show", "none"),
        ("export", "privacy-utility", "--cohort", "none", "--out", "x.html"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line_with_exit_code_2(dpmed, words):
    done = dpmed(*words)
    assert done.returncode == 2
    assert done.stdout == "" and len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr


def test_a_delta_is_refused_in_its_own_words(dpmed):
    for delta, said in (("1e-5,1e-6", "δ is one number"), ("2", "δ = 2 is not between 0 and 1"), ("x", "'x' is not a number: write δ as")):
        assert said in dpmed("sweep", "--cohort", "none", "--epsilons", "1", "--delta", delta).stderr


def test_help_lists_every_layout_that_can_be_imported(dpmed):
    help_text = dpmed("cohort", "add", "--help").stdout
    assert all(f"{kind}: {adapter.title}; {adapter.path_is}" in help_text for kind, adapter in ADAPTERS.items())


def test_train_plans_only_the_run_that_it_queues(installation, cohort, monkeypatch):
    planned = []

    def counted(*arguments, **options):
        planned.append(plan_runs(*arguments, **options))
        return planned[-1]

    monkeypatch.setattr(Installation, "open", lambda: installation)
    monkeypatch.setattr(training, "plan_runs", counted)
    monkeypatch.setattr(training, "ensure_engine", lambda settings: None)
    done = CliRunner().invoke(training.train, ["--cohort", cohort.name, "--epsilon", "1", "--seed", "100000"])
    assert done.exit_code == 0 and "seed 100000  queued" in done.stdout
    assert [[spec.seed for spec in specs] for specs in planned] == [[100_000]]


def test_a_run_of_an_earlier_version_is_shown_with_the_relation_that_is_proven(installation, spec, monkeypatch):
    """And without the number of training images, which is exact and outside the guarantee."""
    guarantee = plan_probe(spec, n_units=9, n_findings=1).guarantee
    old = replace(guarantee, neighboring_relation="add-or-remove-one")
    run_id = installation.runs.ask(spec, cohort_name="images").run_id
    installation.runs.record(run_id, "planned", guarantee=asdict(old))
    result = RunResult(spec, old, elapsed_seconds=1.0, n_parameters=3, n_train_cases=18, n_train_units=9)
    installation.runs.finish(run_id, TrainedModel(result, pd.DataFrame(columns=list(SCORE_COLUMNS)), {"w": np.ones(3)}))
    installation.runs.set_progress(run_id, Progress(RunState.FINISHED))
    monkeypatch.setattr(Installation, "open", lambda: installation)
    for words in (["show", run_id], ["show", run_id, "--json"], ["--json"]):
        shown = CliRunner().invoke(training.runs, words)
        assert shown.exit_code == 0 and "add-or-remove" not in shown.stdout and "n_train_cases" not in shown.stdout
    facts = json.loads(CliRunner().invoke(training.runs, ["show", run_id, "--json"]).stdout)
    relations = [facts["guarantee"]["neighboring_relation"], facts["attempts"][0]["guarantee"]["neighboring_relation"]]
    assert relations == ["zero-out", "zero-out"] and facts["n_train_units"] == 9


def test_an_empty_installation_says_what_to_do_next(dpmed, dpmed_anew):
    assert "cohort add" in dpmed_anew("cohort", "list").stdout
    assert "sweep" in dpmed("runs").stdout
    assert json.loads(dpmed("cohort", "list", "--json").stdout) == {"cohorts": []}


@pytest.mark.slow
def test_from_pictures_to_a_figure(dpmed, manifest, tmp_path):
    """Import, sweep, evaluate, export and removal; every AUROC is scikit-learn's from the scores that were stored."""
    added = dpmed("cohort", "add", "images", "--manifest", str(manifest), "--findings", "mass", "--json")
    report = json.loads(added.stdout)
    assert (report["n_imported"], report["n_patients"], len(report["problems"])) == (120, 60, 1)
    assert "Row 122, column image" in added.stderr
    asked = json.loads(
        dpmed("sweep", "--cohort", "images", "--recipe", "probe", "--epsilons", "8,30", "--seeds", "1", "--wait", "--json").stdout
    )
    runs = asked["runs"]
    assert len(runs) == 3 and {run["state"] for run in runs} == {"finished"}
    again = json.loads(dpmed("train", "--cohort", "images", "--recipe", "probe", "--epsilon", "8", "--wait", "--json").stdout)
    assert again["run_id"] in {run["run_id"] for run in runs}
    judged = json.loads(dpmed("evaluate", "--cohort", "images", "--by", "sex,sex*age:60", "--margin", "0.05", "--json").stdout)
    assert {row["neighboring_relation"] for row in judged["guarantees"]} == {"zero-out"}
    assert judged["practice"] and judged["practice_differences"] and judged["unknowns"] and "predictive_values" not in judged
    asked = ("--prevalence", "0.1", "--check-bootstrap", "100", "--metric", "auprc")
    more = json.loads(dpmed("evaluate", "--cohort", "images", *asked, "--json").stdout)
    assert more["predictive_values"][0]["prevalence"] == 0.1 and more["bootstrap"][0]["n_draws"] == 100
    assert more["bootstrap_costs"] and "auprc_if_positive" in more["unknowns"][0]
    assert "bootstrap_low" in dpmed("evaluate", "--cohort", "images", *asked).stdout
    for refused in (("--prevalence", "2"), ("--check-bootstrap", "5")):
        wrong = dpmed("evaluate", "--cohort", "images", *refused)
        assert wrong.returncode == 2 and "cannot be used" in wrong.stderr
    utility = judged["utility"]
    assert {row["subgroup"] for row in judged["subgroups"]} >= {"female", "male", "female, under 60"}
    assert judged["family"]["margin"] == 0.05 and judged["costs"][0]["epsilon"] in (8, 30)
    plan = judged["analysis_plan"]
    assert plan["planned"]["epsilons"] == [8.0, 30.0] and plan["planned"]["margin"] == 0.02 and not plan["is_first"]
    assert plan["departures"] == ["groups by sex and age, cut at 60", "a margin of 0.05"]
    assert all("a margin of 0.05" in row["analysis_plan"] for row in judged["verdicts"])
    as_planned = json.loads(dpmed("evaluate", "--cohort", "images", "--by", "sex", "--json").stdout)
    assert as_planned["analysis_plan"]["is_first"] and {row["analysis_plan"] for row in as_planned["verdicts"]} == {"as planned"}
    # Asked for by sex alone, the verdicts are those of all that was planned.
    assert {row["attribute"] for row in as_planned["verdicts"]} == {"sex"}
    for run in runs:
        shown = json.loads(dpmed("runs", "show", run["run_id"], "--json").stdout)
        scores = pd.read_parquet(shown["scores"]).query("split == 'test'")
        row = next(row for row in utility if row["run_id"] == run["run_id"] and row["finding"] == "mass")
        assert row["auroc"] == pytest.approx(roc_auc_score(scores["label"], scores["score"]), abs=1e-9)
        assert row["auroc_low"] <= row["auroc"] <= row["auroc_high"]
    for suffix in ("html", "csv"):
        out = tmp_path / f"figure.{suffix}"
        assert dpmed("export", "privacy-utility", "--cohort", "images", "--out", str(out)).returncode == 0
        assert out.stat().st_size > 500
    assert "delta" in (tmp_path / "figure.csv").read_text().splitlines()[0]
    # The map is of all groups that were planned, unless one attribute is asked for.
    for asked, attributes in (((), {"all", "sex", "age"}), (("--attribute", "age:60"), {"all", "age:60"})):
        out = tmp_path / "map.csv"
        assert dpmed("export", "loss-map", "--cohort", "images", "--epsilon", "8", "--out", str(out), *asked).returncode == 0
        assert set(pd.read_csv(out)["attribute"]) == attributes
    assert dpmed("export", "verdict-map", "--cohort", "images", "--epsilon", "8", "--attribute", "sex", "--out", str(out)).returncode == 0
    assert set(pd.read_csv(out)["attribute"]) == {"all", "sex"} and pd.read_csv(out)["estimand"].nunique() == 2
    if browser():
        out = tmp_path / "forest.pdf"
        asked = ("--finding", "mass", "--attribute", "sex", "--epsilon", "8", "--column", "single")
        assert dpmed("export", "fairness-forest", "--cohort", "images", "--out", str(out), *asked).returncode == 0
        assert out.read_bytes().startswith(b"%PDF")
    removed = json.loads(dpmed("cohort", "remove", "images", "--yes", "--json").stdout)
    assert len(removed["withdrawn_runs"]) == 3
    assert {run["state"] for run in json.loads(dpmed("runs", "--json").stdout)["runs"]} == {"withdrawn"}


def everything_under(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*") if "calibrations" not in path.parts}


@pytest.fixture
def mixed_manifest(tmp_path):
    """Thirty images: one of 12 bits in 16, one missing, a patient written in two ways, an age that cannot be read."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    lines = ["image,patient_id,age,sex,mass"]
    for i in range(30):
        pixels = np.random.default_rng(i).integers(0, 4096 if i == 3 else 256, (24, 24)).astype(np.uint16 if i == 3 else np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")
        lines.append(f"{'none' if i == 5 else i}.png,{'P 1' if i == 7 else f'P{i}'},{'old' if i == 9 else 50},F,{i % 2}")
    (folder / "m.csv").write_text("\n".join(lines))
    return folder / "m.csv"


def test_a_dry_run_prints_the_report_of_an_import_and_stores_nothing(dpmed, mixed_manifest, environment):
    words = ("--manifest", str(mixed_manifest), "--findings", "mass", "--json")
    dpmed("cohort", "list")
    before = everything_under(Path(environment["DPMED_DATA_DIR"]))
    checked = dpmed("cohort", "check", "images", *words)
    assert checked.returncode == 1 and everything_under(Path(environment["DPMED_DATA_DIR"])) == before
    report = json.loads(checked.stdout)
    assert (report["n_images"], report["n_patients"]) == (29, 29)
    assert [(row["row"], row["column"]) for row in report["left_out"]] == [(7, "image")]
    remarks = {row["kind"]: row for row in report["remarks"]}
    assert remarks["own_range"]["rows"] == [5] and remarks["ages_not_read"]["rows"] == [11]
    assert (
        remarks["identifiers_differ_in_writing"]["rows"] == [3, 9] and "--one-writing" in remarks["identifiers_differ_in_writing"]["repair"]
    )
    assert all(row["count"] and row["message"] and row["repair"] for row in report["remarks"])
    assert {one["kind"]: one["count"] for one in report["kinds"]} == {"PNG, 8 bits, grey": 28, "PNG, 16 bits, grey": 1}
    assert any(one["bits"] == "12 of 16 bits" and one["assumed"] for one in report["read"])
    added = json.loads(dpmed("cohort", "add", "images", *words).stdout)
    for name in ("n_images", "n_patients", "remarks", "left_out", "problems", "checks"):
        assert added[name] == report[name], name
    again = dpmed("cohort", "check", "images", *words)
    assert again.returncode == 2 and "already a cohort" in again.stderr and again.stdout == ""


def test_identifiers_become_one_patient_only_where_the_owner_says_so(dpmed, mixed_manifest):
    words = ("--manifest", str(mixed_manifest), "--findings", "mass", "--json")
    assert json.loads(dpmed("cohort", "check", "images", *words, "--one-writing").stdout)["n_patients"] == 28


def test_the_exit_status_of_a_dry_run_says_whether_anything_needs_a_look(dpmed, tmp_path):
    lines = ["image,patient_id,age,sex,mass", *(f"{i}.png,p{i},{30 + i % 50},{'FM'[i % 2]},{i // 2 % 2}" for i in range(300))]
    for i in range(300):
        Image.fromarray(np.random.default_rng(i).integers(0, 256, (20, 20), dtype=np.uint8)).save(tmp_path / f"{i}.png")
    (tmp_path / "m.csv").write_text("\n".join(lines))
    (tmp_path / "none.csv").write_text("image,patient_id,mass\nx.png,p,0\ny.png,,0\n")
    clean = dpmed("cohort", "check", "x", "--manifest", str(tmp_path / "m.csv"), "--findings", "mass")
    assert clean.returncode == 0, clean.stderr
    assert "300 of 300 rows would be imported, of 300 patients. Nothing was stored." in clean.stdout
    nothing = dpmed("cohort", "check", "x", "--manifest", str(tmp_path / "none.csv"), "--findings", "mass", "--json")
    report = json.loads(nothing.stdout)
    assert nothing.returncode == 2 and "None of the 2 rows can be used" in nothing.stderr
    assert (report["n_images"], report["n_patients"], [row["row"] for row in report["left_out"]]) == (0, 0, [2, 3])
    refused = dpmed("cohort", "check", "x", "--manifest", str(tmp_path / "m.csv"), "--findings", "mass", "--views", "all")
    assert refused.returncode == 2 and "no use for --views" in refused.stderr
    # 20 pixels fill neither side: 128 is what is stored, and 256 is a remark.
    finer = dpmed("cohort", "check", "x", "--manifest", str(tmp_path / "m.csv"), "--findings", "mass", "--pixels", "256", "--json")
    assert finer.returncode == 1 and ("enlarged", 300) in [(row["kind"], row["count"]) for row in json.loads(finer.stdout)["remarks"]]
    assert '"enlarged"' not in dpmed("cohort", "check", "x", "--manifest", str(tmp_path / "m.csv"), "--findings", "mass", "--json").stdout
    refused = dpmed(
        "cohort", "check", "x", "--manifest", str(tmp_path / "m.csv"), "--findings", "mass", "--modality", "ct", "--pixels", "256"
    )
    assert refused.returncode == 2 and "--pixels is about radiographs" in refused.stderr
