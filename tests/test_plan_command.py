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


def stored_measurement(folder, *, device="CPU", kind="cpu", quick=False, factor=1.0):
    """Writes a document as `python -m benchmarks device` does, with 100 images a second at 64 pixels and 1 at 512, times `factor`."""
    rows = [
        {
            "recipe": "paper",
            "what": what,
            "input": f"{side}x{side}",
            "device": kind,
            "images_per_second": rate * factor,
            "peak_bytes": 2**30,
        }
        for what in ("private", "scored")
        for side, rate in ((64, 100.0), (512, 1.0))
    ]
    document = {"machine": {"processor": "A processor"}, "device": device, "date": "2026-11-28", "quick": quick, "rows": rows}
    (folder / f"{kind}.json").write_text(json.dumps(document))


@pytest.fixture
def measured(tmp_path, monkeypatch):
    from dpmed_core.training import measured_rates

    monkeypatch.setattr(measured_rates.read_rates, "__defaults__", (tmp_path,))
    return tmp_path


def test_hours_of_many_images_follow_from_measured_rates_alone(measured):
    stored_measurement(measured)
    done = CliRunner().invoke(plan, ["--at", "100000x64", "--json"])
    assert done.exit_code == 0, done.output
    rows = {(row["recipe"], row["device"], row["n_devices"]): row for row in json.loads(done.stdout)}
    paper = rows["paper", "cpu", 1]
    assert paper["hours"] == pytest.approx((30 * 70_000 + 30_000) / 100 / 3600, rel=1e-3)
    assert paper["disk_gib"] == pytest.approx(100_000 * 64**2 / 2**30)
    assert paper["memory_gib"] == pytest.approx(70_000 * 64**2 * 4 / 2**30 + 1)
    assert paper["measured_on"] == "A processor, 2026-11-28"
    for key, row in rows.items():
        if key != ("paper", "cpu", 1):
            assert row["hours"] is None and row["memory_gib"] is None and row["reason"], key


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"quick": false, "date": "", "rows": [{"images_per_second": "x", "recipe": "paper"}]}']
)
def test_a_damaged_measurement_is_one_sentence(measured, content):
    stored_measurement(measured)
    (measured / "other.json").write_text(content)
    done = CliRunner().invoke(plan, ["--at", "100000x64"])
    assert isinstance(done.exception, SpecError) and "other.json in docs/measured is damaged" in str(done.exception)


def test_a_gpu_has_figures_where_one_was_measured_and_several_share_out_its_rate(measured):
    stored_measurement(measured, device="A GPU", kind="cuda", factor=10)
    rows = json.loads(CliRunner().invoke(plan, ["--at", "100000x64", "--json"]).stdout)
    hours = {row["n_devices"]: row["hours"] for row in rows if row["recipe"] == "paper" and row["device"] == "cuda"}
    assert hours[1] == pytest.approx((30 * 70_000 + 30_000) / 1000 / 3600, rel=1e-3)
    assert hours[8] == pytest.approx((30 * 70_000 / 8 + 30_000) / 1000 / 3600, rel=1e-3)
    assert next(row for row in rows if row["recipe"] == "paper" and row["device"] == "cpu")["hours"] is None


def test_sizes_between_measured_ones_lie_between_them_and_others_are_not_given(measured):
    stored_measurement(measured)
    found = {}
    for pixels in (32, 64, 181, 512, 1024):
        rows = json.loads(CliRunner().invoke(plan, ["--at", f"1000x{pixels}", "--json"]).stdout)
        found[pixels] = next(row["hours"] for row in rows if (row["recipe"], row["device"]) == ("paper", "cpu"))
    assert found[32] is None and found[1024] is None
    assert found[181] == pytest.approx(found[64] * 10, rel=0.01), "the geometric mean of both rates at that of both sides"
    assert found[512] == pytest.approx(found[64] * 100)


def test_quick_measurements_give_no_figures_and_the_text_says_that_no_gpu_was_measured(measured):
    stored_measurement(measured, quick=True)
    done = CliRunner().invoke(plan, ["--at", "193311x512"])
    assert done.exit_code == 0 and "not measured" in done.stdout and "No GPU was measured" in done.stdout
    assert " hours (" not in done.stdout and "disk" not in done.stdout


def test_the_measurements_that_ship_give_every_recipe_hours_on_a_cpu():
    rows = json.loads(CliRunner().invoke(plan, ["--at", "193311x512", "--json"]).stdout)
    assert {row["recipe"] for row in rows if row["device"] == "cpu" and row["hours"] is not None} == {row["recipe"] for row in rows}


@pytest.mark.parametrize("at", ["193311", "x512", "5x512", "100x8", "100x9999", "-5x512", "1e5x512", "100x512x3"])
def test_what_is_no_number_of_images_and_size_is_refused(at):
    done = CliRunner().invoke(plan, ["--at", at])
    assert isinstance(done.exception, SpecError) and "193311x512" in str(done.exception)


def test_without_at_a_cohort_and_budgets_are_required():
    for words, missing in (([], "--cohort"), (["--cohort", "c"], "--epsilons")):
        done = CliRunner().invoke(plan, words)
        assert done.exit_code == 2 and f"Missing option '{missing}'" in done.output


def test_plan_sweep_and_train_say_what_was_checked_before(call, cohort, monkeypatch):
    monkeypatch.setattr(training, "ensure_engine", lambda settings: None)
    budgets = ("--cohort", cohort.name, "--epsilons", "1,8")
    assert "Checked before training: unit (a patient with all images)" in call(*budgets).stderr
    said = call(*budgets, "--unit", "image").stderr
    assert "Note: The unit image protects one image, and one patient here has 2 images" in said and "Choose the unit patient" in said
    swept = call(*budgets, "--unit", "image", "--json", command=training.sweep)
    assert "Note: The unit image" in swept.stderr
    checks = {check["name"]: check for check in json.loads(swept.stdout)["preflight"]}
    assert checks.keys() == {"unit", "δ", "normalisation", "encoder", "total"}
    assert [name for name, check in checks.items() if not check["ok"]] == ["unit"]
    trained = call("--cohort", cohort.name, "--epsilon", "2", "--delta", "0.09", "--json", command=training.train)
    assert "Leave δ at 1e-05" in trained.stderr
    assert [check["name"] for check in json.loads(trained.stdout)["preflight"] if not check["ok"]] == ["δ"]
    reference = call("--cohort", cohort.name, "--non-private", "--json", command=training.train)
    assert json.loads(reference.stdout)["preflight"] == [] and "Checked" not in reference.stderr
