"""`readers`: a study that was read elsewhere, from its CSV to the analysis; a plan; a file for iMRMC."""

import csv
import json

import pandas as pd
import pytest
from click.testing import CliRunner

from dpmed_core.commands.readers import readers
from dpmed_core.errors import DpmedError
from dpmed_core.installation import Installation
from dpmed_core.reader_study.multi_reader.crossing import PLAN_COLUMNS
from dpmed_core.reader_study.multi_reader.imrmc import case_names
from dpmed_core.settings import Settings
from tests.reader_study.multi_reader_data import van_dyke_rows


def run(*words: object) -> str:
    found = CliRunner().invoke(readers, [str(word) for word in words], catch_exceptions=False)
    assert found.exit_code == 0, found.output
    return found.stdout


@pytest.fixture
def study(tmp_path):
    path = tmp_path / "study.csv"
    van_dyke_rows().to_csv(path, index=False)
    return path


def test_a_study_is_compared_as_published(study):
    found = json.loads(run("compare", study, "--json"))
    assert set(found) == {"sentence", "method", "pairs", "arms", "overall", "readers", "components"}
    row = found["pairs"][0]
    assert (row["about"], row["first"], row["second"]) == ("readers and cases", "cine", "se")
    assert (f"{row['low']:.10f}", f"{row['high']:.10f}") == ("-0.0878671960", "0.0002665519")
    assert found["pairs"][1]["freedom"] is None
    assert found["sentence"].startswith("For readers and cases like these")
    unbiased = json.loads(run("compare", study, "--method", "unbiased", "--json"))
    assert f"{unbiased['pairs'][0]['low']:.10f}" == "-0.0878519409"


def test_people_are_told_the_same_numbers(study):
    printed = run("compare", study)
    assert "−0.088 to 0.000" in printed and "This study does not show that they differ" in printed


def test_a_file_that_is_not_complete_is_refused_in_a_sentence(study):
    rows = pd.read_csv(study)
    rows.drop(index=7).to_csv(study, index=False)
    with pytest.raises(DpmedError, match="1 rating is missing"):
        run("compare", study)


def test_a_plan_is_written_with_its_wash_out_and_no_cell_is_a_formula(study, tmp_path):
    cases = tmp_path / "cases.csv"
    pd.DataFrame({"case": ["=1+1", *map(str, range(11))], "truth": [1, 0] * 6}).to_csv(cases, index=False)
    found = json.loads(run("plan", "--readers", "Ann, Bo,@c", "--cases", cases, "--seed", 3, "--out", tmp_path / "plan.csv", "--json"))
    with (tmp_path / "plan.csv").open(newline="") as file:
        written = list(csv.reader(file))
    assert tuple(written[0]) == PLAN_COLUMNS
    assert len(written) - 1 == len(found["plan"]) == 3 * 12 * 3
    assert not any(cell.startswith(("=", "@", "+")) for row in written for cell in row)
    assert {row["arm"] for row in found["plan"]} == {"unaided", "private", "without privacy"}
    printed = run("plan", "--readers", "Ann,Bo", "--cases", cases, "--arms", "one,two", "--wash-out-days", 40)
    assert "Session 2: 24 readings of 12 cases, at least 40 days after the reader's session before." in printed


def test_cases_without_a_truth_are_planned_too(tmp_path):
    cases = tmp_path / "cases.csv"
    cases.write_text("case\n1\n2\n3\n")
    assert len(json.loads(run("plan", "--readers", "A", "--cases", cases, "--json"))["plan"]) == 9


@pytest.mark.parametrize(
    ("content", "message"), [("name\n1\n", "no column case"), ("case\n1\n1\n", "Row 3"), ("case,truth\n1,2\n", "Row 2")]
)
def test_a_list_of_cases_that_is_none_is_refused(tmp_path, content, message):
    (tmp_path / "cases.csv").write_text(content)
    with pytest.raises(DpmedError, match=message):
        run("plan", "--readers", "A", "--cases", tmp_path / "cases.csv")


def test_a_file_for_imrmc_is_written(study, tmp_path):
    out = tmp_path / "study.imrmc"
    assert json.loads(run("imrmc", study, "--out", out, "--json")) == {"file": str(out), "readers": 5, "cases": 114, "arms": 2}
    lines = out.read_text().splitlines()
    assert lines.index("BEGIN DATA:") == 6
    assert len(lines) == 7 + 114 + 1140
    assert lines[7] == "-1,1,truth,0"


def test_cases_are_named_by_hashes_under_the_installations_key(study, tmp_path, data_dir, monkeypatch):
    monkeypatch.setenv("DPMED_DATA_DIR", str(data_dir))
    key = Installation.open(Settings(data_dir=data_dir)).key
    files = [tmp_path / "one.imrmc", tmp_path / "two.imrmc"]
    for out in files:
        run("imrmc", study, "--hashed", "--out", out)
    assert files[0].read_text() == files[1].read_text()
    assert files[0].read_text().splitlines()[7] == f"-1,{case_names(['1'], key=key)['exported'][0]},truth,0"
