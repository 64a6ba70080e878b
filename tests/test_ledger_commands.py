"""The commands `ledger show | check | cap | register | release`, as a script meets them."""

import json
from dataclasses import asdict, replace

import pytest
from click.testing import CliRunner
from sqlalchemy import delete

from dpmed_core.cli import dpmed
from dpmed_core.privacy.ledger.chain import ledger_entries
from dpmed_core.training.accounting.full_batch import guarantee_full_batch
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit
from tests.small_runs import cohort, installation, settings, spec

__all__ = ["cohort", "installation", "settings", "spec"]


@pytest.fixture
def run(installation, monkeypatch):
    """Runs a command in this process and gives its result."""
    monkeypatch.setattr("dpmed_core.installation.load_settings", lambda: installation.settings)

    def call(*words):
        return CliRunner().invoke(dpmed, ["ledger", *words])

    return call


@pytest.fixture
def trained(installation, cohort, spec):
    """One private training at epsilon 8 and one without privacy, by their entries."""
    noise = {"noise_multiplier": 4.0, "steps": 10, "max_grad_norm": 0.3, "unit": PrivacyUnit.PATIENT, "n_units": 20}
    guarantee = guarantee_full_batch(PrivacyTarget(8, 1e-5), **noise)
    for one, will in ((spec, guarantee), (replace(spec, privacy=None), None)):
        status = installation.ledger.ask(cohort, [one])[0]
        draw = installation.ledger.begin(status, will, total_steps=10, resumed=0)
        fields = asdict(will) if will else None
        installation.runs.record(status.run_id, "planned", draw=draw, guarantee=fields, total_steps=10)
        installation.runs.record(status.run_id, "finished", steps=10)
        installation.ledger.settle(status.run_id)
    return guarantee


def test_show_prints_totals_cap_head_and_entries(run, trained, cohort):
    for words in ((), ("--cohort", cohort.name)):
        shown = json.loads(run("show", *words, "--json").stdout)
        assert {"epsilon", "delta", "draws", "non_private", "patients", "cap", "head", "entries"} <= set(shown)
        assert shown["epsilon"] == shown["patients"]["largest"] == pytest.approx(trained.epsilon, rel=1e-9)
        assert (shown["draws"], shown["non_private"], shown["cap"], shown["patients"]["above_cap"]) == (1, 1, None, 0)
        assert shown["entries"][-1]["digest"] == shown["head"] and len(shown["entries"]) == 7
        assert shown["entries"][0]["kind"] == "plan"
    assert json.loads(run("show", "--delta", "1e-3", "--json").stdout)["epsilon"] < trained.epsilon
    assert "not between 0 and 1" in str(run("show", "--delta", "2").exception)
    assert "Cumulative privacy loss of 1 private training" in run("show").stdout


def test_an_empty_ledger_says_so(run, installation):
    shown = json.loads(run("show", "--json").stdout)
    assert (shown["epsilon"], shown["draws"], shown["head"], shown["entries"]) == (0.0, 0, None, [])
    assert run("check").exit_code == 0


def test_a_cap_is_a_decision_with_a_name_and_a_reason(run, trained):
    assert run("cap", "2").exit_code == 2
    assert json.loads(run("cap", "2", "--name", "Officer", "--reason", "board", "--json").stdout)["cap"]["epsilon"] == 2.0
    shown = json.loads(run("show", "--json").stdout)
    assert shown["cap"]["name"] == "Officer" and shown["patients"]["above_cap"] == shown["patients"]["n"] > 0
    assert json.loads(run("cap", "--lift", "--name", "Officer", "--reason", "board", "--json").stdout)["cap"] is None


def test_check_exits_with_2_and_says_what_is_wrong(run, trained, installation):
    assert run("check").exit_code == 0
    head = json.loads(run("check", "--json").stdout)["head"]
    assert run("check", "--head", head[:8]).exit_code == 0
    with installation.ledger.chain.database.transaction() as connection:
        connection.execute(delete(ledger_entries).where(ledger_entries.c.seq == 2))
    wrong = run("check", "--json")
    assert wrong.exit_code == 2 and json.loads(wrong.stdout)["problems"]


def test_a_figure_leaves_only_as_an_act(run, trained, cohort, tmp_path):
    figure = tmp_path / "figure.png"
    figure.write_bytes(b"picture")
    by = ("--name", "Officer", "--reason", "paper")
    assert run("release", "--figure", str(figure), *by).exit_code == 2  # of which cohort?
    assert "no privacy guarantee" in str(run("release", "--figure", str(figure), "--cohort", cohort.name, *by).exception)
    done = run("release", "--figure", str(figure), "--cohort", cohort.name, "--without-guarantee", *by, "--json")
    assert json.loads(done.stdout)["n_draws"] == 1
    assert "released" in run("show").stdout


def test_nothing_is_announced_after_a_training(run, trained, cohort):
    words = ("register", "--cohort", cohort.name, "--epsilon", "1", "--name", "Officer", "--reason", "paper")
    assert "began before" in str(run(*words).exception)


def test_there_is_no_gap_to_answer_for(run, installation):
    assert "no gap" in str(run("accept", "--name", "IT", "--reason", "restored").exception)
