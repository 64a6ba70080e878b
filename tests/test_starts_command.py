"""`pretrain`, `starts`, and `train --start`, from the command line to the tables."""

import json
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from dpmed_core import public_starts
from dpmed_core.cli import dpmed
from dpmed_core.commands import training
from dpmed_core.engine.training_task import work_on
from dpmed_core.errors import SpecError
from dpmed_core.installation import Installation
from dpmed_core.privacy.audit import head_audit
from dpmed_core.privacy.audit.canary_world import canary_world
from dpmed_core.public_starts import last_asked, start_for, start_of_models
from dpmed_core.training.encoders.card import COMPONENTS
from dpmed_core.training.recipes import train_probe
from dpmed_core.training.recipes.networks import NETWORKS
from tests.small_runs import installation, make_cohort, other_patients, settings

__all__ = ["installation", "other_patients", "settings"]


PUBLIC = ("--public-cohort", "elsewhere", "--source", "x", "--licence", "y")


def told_by(cohort, **_folders):
    """Public features in which one component tells the finding."""
    features = np.random.default_rng(len(cohort.name)).normal(size=(len(cohort.cases), sum(COMPONENTS.values()))).astype(np.float32)
    features[:, 0] += 4 * cohort.labels[:, 0]
    return features


@pytest.fixture
def call(installation, monkeypatch):
    monkeypatch.setattr(Installation, "open", classmethod(lambda cls, settings=None: installation))
    monkeypatch.setattr(public_starts, "public_features", told_by)
    monkeypatch.setattr(train_probe, "joined_features", lambda cohort, encoder, **folders: told_by(cohort))
    monkeypatch.setattr(training, "ensure_engine", lambda settings: None)
    make_cohort(installation, "elsewhere", seed=1)
    make_cohort(installation, "here", seed=2)

    def run(*words, fails=None):
        done = CliRunner().invoke(dpmed, words)
        if fails is not None:
            assert isinstance(done.exception, SpecError) and fails in str(done.exception), (done.output, done.exception)
            return None
        assert done.exit_code == 0, (done.output, done.exception)
        for status in installation.runs.statuses():
            work_on(installation.settings, status.run_id)
        return json.loads(done.stdout) if "--json" in words else done.output

    return run


@pytest.fixture
def start(call):
    words = ("--public-cohort", "elsewhere", "--name", "public-one", "--source", "a public set", "--licence", "CC0", "--json")
    return call("pretrain", *words)


# make_cohort numbers patients alike in every cohort, so that two cohorts have patients of one identifier.
def test_a_cohort_with_a_patient_of_the_start_is_refused(call, start):
    call("train", "--cohort", "here", "--epsilon", "1", "--start", "public-one", fails="32 patients with an identifier of this cohort's")
    call("train", "--cohort", "elsewhere", "--epsilon", "1", "--start", "public-one", fails="64 images of this cohort")


def test_an_image_that_the_start_saw_at_the_other_side_is_refused(call, start, installation):
    """A cohort of finer images is compared by what 128 pixels would have stored."""
    finer = replace(
        installation.cohorts.load("here"),
        image_digests=np.zeros((64, 32), np.uint8),
        digests_at_128=installation.cohorts.load("elsewhere").image_digests,
    )
    with pytest.raises(SpecError, match="64 images of this cohort"):
        public_starts.start_for(installation, finer, "public-one")


def test_from_a_public_cohort_to_the_tables(other_patients, call, start, installation):
    assert start["public"] is True and start["findings"] == ["mass"] and start["auroc"][0] > 0.9
    shipped, own = call("starts", "list", "--json")["starts"]
    assert own == start and shipped["name"] == "phantoms" and shipped["synthetic"] is True
    shown = call("starts", "show", "public-one", "--cohort", "here", "--by", "sex", "--json")
    assert shown["findings"] == {"mass": "mass"} and {row["attribute"] for row in shown["validation"]} == {"all", "sex"}
    made = call("sweep", "--cohort", "here", "--epsilons", "0.5,8", "--seeds", "2", "--start", "public-one", "--json")
    assert [run["epsilon"] for run in made["runs"]] == [0.0, None, 0.5, 8.0, None, 0.5, 8.0]
    assert {run["start"]["name"] for run in made["runs"]} == {"public-one"}
    call("sweep", "--cohort", "here", "--epsilons", "8", "--json")
    found = call("evaluate", "--cohort", "here", "--json")
    alone = [row for row in found["utility"] if row["epsilon"] == 0]
    assert alone and {(row["start"], row["delta"], row["accountant"]) for row in alone} == {("public-one", 0.0, "no-training")}
    assert {row["start"] for row in found["utility"]} == {None, "public-one"}
    assert all(row["epsilon"] != 0 for row in found["utility"] if row["start"] is None)
    after = call("starts", "show", "public-one", "--cohort", "here", "--by", "sex", "--json")
    assert shown["parts"] == ["validation"] and after["parts"] == ["validation", "test"], "once it was evaluated on test patients anyway"
    assert after["validation"][0]["n_cases"] == shown["validation"][0]["n_cases"] + alone[0]["n_cases"]
    added = {row["epsilon"]: row for row in found["added"] if row["finding"] == "mass"}
    assert added.keys() == {0.5, 8.0} and all(row["reference"] == "start alone" for row in added.values())
    by_run = {(row["start"], row["epsilon"], row["seed"]): row["auroc"] for row in found["utility"] if row["finding"] == "mass"}
    for epsilon, row in added.items():
        if row["difference"] is not None:
            mean = np.mean([by_run["public-one", epsilon, seed] for seed in (0, 1)])
            assert row["difference"] == pytest.approx(mean - by_run["public-one", 0.0, 0])


def test_the_start_alone_spends_nothing_and_is_no_training_without_a_bound(other_patients, call, start, installation):
    call("train", "--cohort", "here", "--epsilon", "0", "--start", "public-one", "--json")
    (run,) = installation.runs.statuses()
    result = installation.runs.result(run.run_id)
    assert result.guarantee.epsilon == 0 and result.guarantee.sentence() == (
        "ε = 0 and δ = 0 for each patient: a public start alone, and nothing was learnt from this cohort"
    )
    total = installation.ledger.total(installation.cohorts.load("here"))
    assert total.epsilon == 0 and total.n_non_private == 0
    call("ledger", "check", "--json")


def test_what_a_start_is_not_for_is_refused(other_patients, call, start):
    call(
        "train",
        "--cohort",
        "here",
        "--epsilon",
        "1",
        "--start",
        "nowhere",
        fails="There is no start 'nowhere': choose one of phantoms, public-one",
    )
    call("train", "--cohort", "here", "--epsilon", "1", "--map", "mass=mass", fails="give the start with --start")
    call("train", "--cohort", "here", "--epsilon", "0", fails="needs a public start")
    call("train", "--cohort", "here", "--recipe", "paper", "--epsilon", "1", "--start", "public-one", fails="is for recipe probe, and this")
    call("pretrain", *PUBLIC, "--name", "b", "--recipe", "finetune", fails="choose probe or paper or paper3d or slices")
    call("pretrain", *PUBLIC, "--name", "b", "--recipe", "paper3d", fails="takes CT volumes, and this cohort holds radiographs")
    call(
        "train", "--cohort", "here", "--epsilon", "1", "--start", "public-one", "--map", "=mass", fails="No finding of cohort 'here' begins"
    )
    call("pretrain", *PUBLIC, "--name", "public-one", fails="There is a start 'public-one' already")
    call("pretrain", "--public-cohort", "elsewhere", "--name", "b", "--source", " ", "--licence", "y", fails="Say in 1 to 500 characters")


def test_finished_runs_outlive_their_start_and_open_ones_say_that_it_is_gone(other_patients, call, start, installation):
    call("train", "--cohort", "here", "--epsilon", "8", "--start", "public-one", "--json")
    call("starts", "remove", "public-one")
    assert {row["start"] for row in call("evaluate", "--cohort", "here", "--json")["utility"]} == {"public-one"}
    (run,) = installation.runs.statuses()
    installation.runs.withdraw(run.run_id)
    installation.ledger.settle(run.run_id)
    spent = installation.ledger.total(installation.cohorts.load("here")).epsilon
    installation.ledger.ask(installation.cohorts.load("here"), [run.spec])
    work_on(installation.settings, run.run_id)
    status = installation.runs.status(run.run_id)
    assert status.state == "failed" and "There is no start 'public-one'" in status.progress.message
    assert installation.ledger.total(installation.cohorts.load("here")).epsilon == spent, "nothing was trained, and nothing is charged"


def test_the_start_of_the_phantoms_needs_no_public_cohort_and_says_which_findings_begin_there(call, installation, monkeypatch):
    call(
        "train", "--cohort", "here", "--epsilon", "1", "--start", "phantoms", fails="No finding of cohort 'here' begins at start 'phantoms'"
    )
    shown = call("starts", "show", "phantoms", "--cohort", "here", "--map", "cardiomegaly=mass", "--by", "sex", "--json")
    assert shown["findings"] == {"mass": "cardiomegaly"}
    call("train", "--cohort", "here", "--epsilon", "8", "--start", "phantoms", "--map", "cardiomegaly=mass", "--json")
    with pytest.raises(SpecError, match="No finding of cohort 'here' begins"):
        start_for(installation, installation.cohorts.load("here"), "phantoms")  # a command means the same whatever was asked before
    private = [run for run in installation.runs.statuses() if run.spec.privacy and run.spec.privacy.epsilon == 8]
    assert [run.spec.start.name for run in private] == ["phantoms"] and private[0].state == "finished"
    assert installation.runs.result(private[0].run_id).guarantee.epsilon <= 8
    call("starts", "remove", "phantoms", fails="is part of DPMed and cannot be removed")
    worlds = []
    monkeypatch.setattr(head_audit, "canary_world", lambda **asked: worlds.append(canary_world(**asked)) or worlds[-1])
    assert call("audit", private[0].run_id, "--trainings", "200", "--json")["claimed_mu"] > 0
    assert all(world.start_weights is not None for world in worlds) and worlds, "the canary is judged by a start too"


@pytest.mark.slow
def test_a_network_begins_at_a_public_network(other_patients, call, start, installation, monkeypatch):
    monkeypatch.setitem(NETWORKS, "paper", replace(NETWORKS["paper"], epochs=2))
    card = call("pretrain", *PUBLIC, "--name", "network", "--recipe", "paper", "--json")
    assert card["recipe"] == "paper" and card["encoder"] == "paper 2" and card["findings"] == ["mass"] and 0 <= card["auroc"][0] <= 1
    shown = call("starts", "show", "network", "--cohort", "here", "--json")
    call("train", "--cohort", "here", "--epsilon", "1", "--start", "network", fails="is for recipe paper, and this is probe")
    made = call("sweep", "--cohort", "here", "--recipe", "paper", "--epsilons", "8", "--unit", "image", "--start", "network", "--json")
    assert [run["epsilon"] for run in made["runs"]] == [0.0, None, 8.0] and {run["start"]["name"] for run in made["runs"]} == {"network"}
    assert {status.state for status in installation.runs.statuses()} == {"finished"}
    found = call("evaluate", "--cohort", "here", "--recipe", "paper", "--json")
    alone = next(row for row in found["utility"] if row["epsilon"] == 0)
    assert (alone["start"], alone["delta"], alone["accountant"]) == ("network", 0.0, "no-training")
    test_cases = call("starts", "show", "network", "--cohort", "here", "--json")
    assert test_cases["validation"][0]["n_cases"] == shown["validation"][0]["n_cases"] + alone["n_cases"]
    first = next(status for status in installation.runs.statuses() if status.spec.privacy and status.spec.privacy.learns_nothing)
    call("audit", first.run_id, fails="claims nothing that could be audited")


def test_what_a_start_begins_with_is_that_of_runs_that_count(other_patients, call, start, installation):
    here = installation.cohorts.load("here")
    asked = call("train", "--cohort", "here", "--epsilon", "8", "--start", "phantoms", "--map", "cardiomegaly=mass", "--json")
    chosen = start_of_models(installation, here, "phantoms", recipe="probe")
    assert dict(chosen.findings) == {"mass": "cardiomegaly"} and start_of_models(installation, here, "public-one", recipe="probe") is None
    other = replace(installation.runs.status(asked["run_id"]).spec, start=replace(chosen, findings=(("mass", "atelectasis"),)))
    installation.ledger.ask(here, [other])
    assert last_asked(installation, here, "phantoms") == other.start, "one that is waiting"
    assert start_of_models(installation, here, "phantoms", recipe="probe") == chosen, "what tables show"
    installation.runs.withdraw(installation.runs.run_id(other))
    assert last_asked(installation, here, "phantoms") == chosen


def test_no_start_is_called_what_stands_for_none(other_patients, call):
    call("pretrain", *PUBLIC, "--name", "scratch", fails="stands for no start")
