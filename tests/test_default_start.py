"""Where models begin when nobody says where: effusion of real patients at the phantoms, and a cohort as its first runs did."""

import json

import pytest
from click.testing import CliRunner

from dpmed_core.cli import dpmed
from dpmed_core.commands import training
from dpmed_core.engine.training_task import work_on
from dpmed_core.installation import Installation
from dpmed_core.public_starts import default_start, first_begun, start_for, start_of_runs
from dpmed_core.training.starts.phantom_start import NAME as PHANTOMS
from dpmed_core.training.starts.phantom_start import TOLD_ELSEWHERE
from dpmed_core.training.starts.start_store import StartStore
from tests.small_runs import installation, make_cohort, settings

__all__ = ["installation", "settings"]


@pytest.fixture
def call(installation, monkeypatch):
    monkeypatch.setattr(Installation, "open", classmethod(lambda cls, settings=None: installation))
    monkeypatch.setattr(training, "ensure_engine", lambda settings: None)

    def run(*words):
        done = CliRunner().invoke(dpmed, words)
        assert done.exit_code == 0, (done.output, done.exception)
        for status in installation.runs.statuses():
            work_on(installation.settings, status.run_id)
        return json.loads(done.stdout) if "--json" in words else done.stderr

    return run


def begun(start):
    return None if start is None else (start.name, dict(start.findings))


@pytest.mark.parametrize("finding", ["effusion", "Pleural Effusion", "pleural_effusion_left"])
def test_effusion_of_real_patients_begins_at_the_phantoms(installation, finding):
    cohort = make_cohort(installation, finding=finding)
    name, findings = begun(default_start(installation, cohort, "probe"))
    assert name == PHANTOMS and set(findings) == {finding} and findings[finding] in TOLD_ELSEWHERE
    assert start_of_runs(installation, cohort, "probe") is None, "there is nothing to show yet"
    assert default_start(installation, cohort, "paper") is None


@pytest.mark.parametrize("how", [{"finding": "cardiomegaly"}, {"finding": "mass"}, {"finding": "effusion", "synthetic": True}])
def test_nothing_else_does(installation, how):
    assert default_start(installation, make_cohort(installation, **how), "probe") is None


def test_what_begins_at_a_start_that_is_named_is_what_begins_there_by_default(installation):
    effusion = make_cohort(installation, "effusion", finding="effusion")
    assert start_for(installation, effusion, PHANTOMS) == default_start(installation, effusion, "probe")
    other = make_cohort(installation, "other", seed=1, finding="cardiomegaly")
    assert begun(start_for(installation, other, PHANTOMS)) == (PHANTOMS, {"cardiomegaly": "cardiomegaly"})


def test_without_the_encoder_it_is_scratch(installation, tmp_path, monkeypatch):
    cohort = make_cohort(installation, finding="effusion")
    monkeypatch.setattr(Installation, "starts", property(lambda self: StartStore(tmp_path, tmp_path / "no-encoders")))
    assert default_start(installation, cohort, "probe") is None


@pytest.mark.parametrize(("first", "kept"), [("scratch", None), (PHANTOMS, PHANTOMS)])
def test_a_cohort_goes_on_as_it_began(call, installation, first, kept):
    cohort = make_cohort(installation, "here", finding="effusion")
    call("train", "--cohort", "here", "--epsilon", "8", "--start", first, "--json")
    assert start_of_runs(installation, cohort, "probe") == kept
    other = PHANTOMS if kept is None else "scratch"
    call("train", "--cohort", "here", "--epsilon", "8", "--start", other, "--json")
    said = call("train", "--cohort", "here", "--epsilon", "1")
    assert ("From start phantoms: effusion." in said) == (kept == PHANTOMS) and ("--start scratch" in said) == (kept == PHANTOMS)
    newest = installation.runs.of_cohort(cohort.fingerprint)[-1].spec
    assert (newest.start.name if newest.start else None) == kept == start_of_runs(installation, cohort, "probe")
    assert first_begun(installation, cohort, "paper") is None


def test_from_a_sweep_to_a_figure_nobody_says_where(call, installation, tmp_path):
    make_cohort(installation, "here", finding="effusion")
    made = call("sweep", "--cohort", "here", "--epsilons", "8", "--seeds", "2", "--json")
    assert [run["epsilon"] for run in made["runs"]] == [0.0, None, 8.0, None, 8.0]
    assert {run["start"]["name"] for run in made["runs"]} == {PHANTOMS}
    rows = call("evaluate", "--cohort", "here", "--json")["utility"]
    assert {(row["start"], row["epsilon"]) for row in rows} == {(PHANTOMS, 0.0), (PHANTOMS, 8.0), (PHANTOMS, None)}
    out = tmp_path / "curve.csv"
    call("export", "privacy-utility", "--cohort", "here", "--out", str(out), "--json")
    assert PHANTOMS in out.read_text()
    opened = call("review", "open", "--cohort", "here", "--epsilon", "8", "--json")
    assert installation.reviews.review(opened["review_id"]).frozen["candidate"]["start"] == PHANTOMS
    again = call("sweep", "--cohort", "here", "--epsilons", "8", "--seeds", "2", "--start", "scratch", "--json")
    assert [run["start"] for run in again["runs"]] == [None] * 4
