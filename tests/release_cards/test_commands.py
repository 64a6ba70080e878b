"""`cards`, and the cards that `ledger release` writes, as a script meets them."""

import json
import tomllib

import pytest
import yaml
from click.testing import CliRunner

from dpmed_core.cli import dpmed
from dpmed_core.release_cards.handed_out import DEPLOYMENT, HEALTH, HUB, HUB_JSON
from dpmed_core.release_cards.statements import QUESTIONS

BY = ("--name", "Officer", "--reason", "to the clinic")


@pytest.fixture
def run(here, monkeypatch):
    monkeypatch.setattr("dpmed_core.installation.load_settings", lambda: here.settings)
    return lambda *words: CliRunner().invoke(dpmed, list(words))


def test_a_draft_is_written_of_a_run_and_of_a_review(here, run, run_id, review, tmp_path):
    entries = len(here.ledger.chain.verified()[0])
    done = json.loads(run("cards", "--run", run_id, "--review", review.review_id, "--out", str(tmp_path / "out"), "--json").stdout)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted([HUB, HUB_JSON, HEALTH, DEPLOYMENT])
    assert (done["run_id"], done["review_id"], done["open"]) == (run_id, review.review_id, list(QUESTIONS))
    assert len(here.ledger.chain.verified()[0]) == entries, "a draft is no release"
    assert "about 2 trainings, and a card about one" in str(run("cards", "--review", review.review_id, "--out", str(tmp_path)).exception)
    assert run("cards", "--run", run_id).exit_code == 2 and run("cards", "--out", str(tmp_path)).exit_code == 2


def test_statements_are_filled_into_the_printed_form(run, run_id, tmp_path):
    form = run("cards", "--form").stdout
    assert list(tomllib.loads(form)) == list(QUESTIONS)
    file = tmp_path / "said.toml"
    file.write_text(form.replace('curator = ""', 'curator = "A *university* hospital"'))
    done = run("cards", "--run", run_id, "--statements", str(file), "--out", str(tmp_path))
    assert f"{len(QUESTIONS) - 1} statements are open on the cards" in done.stdout
    curators = yaml.safe_load((tmp_path / DEPLOYMENT).read_text())["deployment"]["basic"]["data_curators"]
    assert curators == [{"data_curator_name": r"A \*university\* hospital"}]


def test_a_release_writes_the_cards_beside_the_weights(here, run, run_id, review, tmp_path):
    out = tmp_path / "released"
    done = json.loads(run("ledger", "release", run_id, "--out", str(out), "--review", review.review_id, *BY, "--json").stdout)
    assert {path.name for path in out.iterdir()} == {"weights.safetensors", "guarantee.json", HUB, HUB_JSON, HEALTH, DEPLOYMENT}
    seal = here.ledger.chain.head().digest
    assert seal in (out / HUB).read_text() and seal in (out / DEPLOYMENT).read_text() and "charged for" in done["says"]
    assert done["open"] == list(QUESTIONS) and len(done["files"]) == 6
