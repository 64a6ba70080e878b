"""`plan`, and what `train` and `sweep` say of findings that cannot be judged."""

import json

import pytest
from click.testing import CliRunner

from dpmed_core.cohort.schema import Part
from dpmed_core.cohort.split import assign_parts
from dpmed_core.commands import training
from dpmed_core.commands.planning import plan
from dpmed_core.errors import CohortError, SpecError
from dpmed_core.installation import Installation
from tests.small_runs import cohort, installation, settings

__all__ = ["cohort", "installation", "settings"]

CONTRACT = {"finding", "attribute", "subgroup", "judgeable", "reason", "epsilon"}
CONTRACT |= {"detectable_loss", "expected_loss", "expected_low", "expected_high"}


@pytest.fixture
def call(installation, monkeypatch):
    monkeypatch.setattr(Installation, "open", lambda: installation)
    return lambda *words, command=plan: CliRunner().invoke(command, words)


def everything_in(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_json_is_one_array_of_rows_with_the_contracts_keys(call, cohort):
    done = call("--cohort", cohort.name, "--epsilons", "1,8", "--by", "sex", "--json")
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)
    assert isinstance(rows, list) and all(row.keys() >= CONTRACT for row in rows)
    everybody = [row for row in rows if row["attribute"] == "all"]
    assert [(row["finding"], row["subgroup"], row["epsilon"]) for row in everybody] == [
        (finding, "all", epsilon) for finding in cohort.findings for epsilon in (1.0, 8.0)
    ]
    assert {row["attribute"] for row in rows} == {"all", "sex"}
    assert all(isinstance(row["judgeable"], bool) and isinstance(row["reason"], str) for row in rows)
    assert {row["delta"] for row in rows} == {1e-5} and {row["unit"] for row in rows} == {"patient"}


def test_a_plan_is_printed_for_people_and_writes_and_spends_nothing(call, cohort, installation):
    assert installation.ledger.total(cohort).n_draws == 0  # opens the database, before it is looked at
    before = everything_in(installation.settings.data_dir)
    done = call("--cohort", cohort.name, "--epsilons", "1")
    assert done.exit_code == 0 and "can be judged in" in done.stdout and "δ = 1e-05 for each patient" in done.stdout
    assert everything_in(installation.settings.data_dir) == before
    assert installation.ledger.total(cohort).n_draws == 0 and installation.runs.statuses() == []


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("--epsilons", "abc"), SpecError),
        (("--epsilons", "-1"), SpecError),
        (("--epsilons", "1", "--delta", "2"), SpecError),
        (("--epsilons", "1", "--by", "height"), CohortError),
        (("--epsilons", "1", "--margin", "0.9"), SpecError),
        (("--epsilons", "1", "--expected-auroc", "1.2"), SpecError),
        (("--epsilons", "1", "--recipe", "paper3d"), SpecError),
    ],
)
def test_what_cannot_be_planned_is_refused_in_one_sentence(call, cohort, words, error):
    done = call("--cohort", cohort.name, *words)
    assert isinstance(done.exception, error) and "\n" not in str(done.exception)


def test_train_and_sweep_say_which_findings_cannot_be_judged_and_queue_them_all_the_same(call, cohort, installation, monkeypatch):
    monkeypatch.setattr(training, "ensure_engine", lambda settings: None)
    test = assign_parts(cohort, seed=0, key=installation.key).parts == Part.TEST.value
    assert min((cohort.labels[test] == 1).sum(), (cohort.labels[test] == 0).sum()) < 5, "the small cohort has few test patients"
    for words, command in ((("--epsilon", "1"), training.train), (("--epsilons", "2"), training.sweep)):
        done = call("--cohort", cohort.name, *words, "--json", command=command)
        assert done.exit_code == 0 and "can be judged" in done.stderr
        assert json.loads(done.stdout) and "judged" not in done.stdout
