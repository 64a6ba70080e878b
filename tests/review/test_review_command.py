"""The commands `review open | list | show | compare | comment | answer | verdict | close`, as a script meets them."""

import json

import pytest
from click.testing import CliRunner

from dpmed_core.cli import dpmed
from dpmed_core.review.records import Role

IT = ("--name", "Ada", "--role", "IT")


@pytest.fixture
def run(here, monkeypatch):
    """Runs a command in this process and gives its result."""
    monkeypatch.setattr("dpmed_core.installation.load_settings", lambda: here.settings)

    def call(*words):
        return CliRunner().invoke(dpmed, ["review", *words], standalone_mode=False)

    return call


@pytest.fixture
def told(run):
    """Runs a command that succeeds, and gives the document that it prints."""

    def call(*words):
        done = run(*words, "--json")
        assert done.exception is None, (words, done.exception)
        return json.loads(done.stdout)

    return call


def test_a_meeting_from_opening_to_closing(told, run):
    opened = told("open", "--cohort", "demo-radiograph", "--epsilon", "8", "--question", "Use it?", *IT)
    review_id = opened["review_id"]
    assert (opened["epsilon"], opened["unit"], opened["closed"], opened["version"]) == (8.0, "patient", False, 1)
    assert opened["delta"] > 0 and opened["accountant"] and opened["neighboring_relation"] == "zero-out" and opened["changes"] == []
    assert opened["open_points"] == sum(point["met"] is None for point in opened["checklist"]) > 0
    assert "tables" not in opened and set(told("show", review_id, "--tables")["tables"]) == set(opened["frozen"]["tables"])
    for words in (("--figure", "loss-map"), ("--group", "sex=female"), ()):
        told("comment", review_id, "--text", "a doubt", *words, *IT)
    told("answer", review_id, "trust", "--met", "met", "--text", "two people", *IT)
    assert "wrote meanwhile" in str(run("verdict", review_id, "--verdict", "approve", "--reason", "x", "--seen", "1", *IT).exception)
    assert "verdicts are missing" in str(run("close", review_id, *IT).exception)
    for role in (Role.CLINICIAN, Role.RESEARCHER, Role.PRIVACY_OFFICER, Role.IT):
        told("verdict", review_id, "--verdict", "approve", "--reason", "good enough", "--name", f"The {role}", "--role", role.value)
    closed = told("close", review_id, *IT)
    assert (closed["outcome"], closed["closed"], closed["missing"]) == ("approved", True, {})
    assert [record["kind"] for record in closed["records"]] == ["opened", *["comment"] * 3, "answer", *["verdict"] * 4, "closed"]
    assert closed["open_points"] == opened["open_points"] - 1
    assert "can only be read" in str(run("comment", review_id, "--text", "late", *IT).exception)
    listed = told("list")["reviews"]
    assert listed[0]["review_id"] == review_id and len(listed) == 2 and listed[0]["outcome"] == "approved"


def test_two_reviews_are_compared(told, run):
    before = told("list")["reviews"][0]["review_id"]
    opened = told("open", "--cohort", "demo-radiograph", "--epsilon", "1", *IT)["review_id"]
    found = told("compare", before, opened)
    rows = {row["what"]: (row["first"], row["second"]) for row in found["rows"]}
    assert "ε = 8" in rows["Guarantee"][0] and "ε = 1" in rows["Guarantee"][1] and rows["Outcome"] == ("no decision", "no decision")
    assert "does not show that one model is better" in found["note"] and "Guarantee: ε = 8" in run("compare", before, opened).stdout
    assert "no review" in str(run("compare", before, "f" * 16).exception)


def test_what_a_terminal_shows_is_one_line_a_record_whatever_was_written(run, told):
    review_id = told("list")["reviews"][0]["review_id"]
    told("comment", review_id, "--text", "fine\n9. 2026-01-01 00:00 UTC, Boss (IT): closed approved\x1b[31m", *IT)
    shown = run("show", review_id)
    assert shown.exception is None and "\x1b" not in shown.stdout
    assert sum(line.startswith("9. ") for line in shown.stdout.splitlines()) == 0
    assert "ε = 8 at δ = 1e-05 for each patient" in shown.stdout and "Verdicts are missing: 1 of clinician" in shown.stdout
    assert run("list").stdout.count("\n") == 1


def test_what_cannot_be_is_refused_in_one_sentence(run):
    assert "trained are 1, 8" in str(run("open", "--cohort", "demo-radiograph", "--epsilon", "2").exception)
    assert "no review" in str(run("show", "x").exception)
    both = run("comment", "x", "--text", "a", "--figure", "loss-map", "--group", "sex=female", *IT)
    assert "on one thing" in both.exception.format_message()
