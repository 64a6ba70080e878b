"""`encoder add | list | remove` and `train --encoder`, as a person meets them."""

import json

import pytest
from click.testing import CliRunner

from dpmed_core.cli import dpmed
from dpmed_core.errors import DpmedError, EncoderError
from dpmed_core.training.encoders.added import add as adding
from dpmed_core.training.recipes.catalogue import PROBE
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit, RunSpec
from tests.small_runs import cohort, installation, settings, spec
from tests.training.encoders import made_up_encoder

__all__ = ["cohort", "installation", "settings", "spec"]


@pytest.fixture
def said(installation, monkeypatch):
    """Runs a command on the installation and gives its output; a `DpmedError` is raised."""
    monkeypatch.setattr("dpmed_core.commands.encoder.Installation.open", lambda: installation)
    monkeypatch.setattr(adding, "draw_public_radiographs", lambda **_: made_up_encoder.public_images())

    def run(*words):
        done = CliRunner().invoke(dpmed, list(map(str, words)))
        if isinstance(done.exception, DpmedError):
            raise done.exception
        assert done.exit_code == 0, done.output
        return done.stdout

    return run


@pytest.fixture
def file(tmp_path):
    return made_up_encoder.write_weights(tmp_path)


def test_an_encoder_is_added_listed_and_removed(said, file, tmp_path):
    card = made_up_encoder.write_card(tmp_path, file, title="[x](http://y) \x1b[31mred")
    added = json.loads(said("encoder", "add", file, "--name", "mine", "--card", card, "--json"))
    assert added["name"] == "mine" and added["architecture"] == made_up_encoder.ARCHITECTURE and added["public"] is True
    listed = json.loads(said("encoder", "list", "--json"))["encoders"]
    assert listed == [{**added, "runs": []}]
    assert "\x1b" not in said("encoder", "list")
    assert "Removed encoder mine." in said("encoder", "remove", "mine")
    assert json.loads(said("encoder", "list", "--json")) == {"encoders": []}
    with pytest.raises(EncoderError, match="There is no encoder 'mine'"):
        said("encoder", "remove", "mine")


def test_an_encoder_that_runs_use_is_not_removed_and_one_that_is_given_up_is(said, file, tmp_path, installation, cohort):
    said("encoder", "add", file, "--name", "mine", "--card", made_up_encoder.write_card(tmp_path, file))
    digest = installation.encoders.load("mine").digest
    target = PrivacyTarget(8, 1e-5)
    asked = RunSpec(cohort.fingerprint, 0, PROBE.name, PROBE.version, PrivacyUnit.PATIENT, target, 0, encoder=digest)
    run_id = installation.runs.ask(asked, cohort_name=cohort.name).run_id
    cached = installation.cohorts.features_dir(cohort.name) / f"{digest[:12]}.npy"
    cached.parent.mkdir(parents=True)
    cached.touch()
    with pytest.raises(EncoderError, match=f"is used by 1 run, whose models could then score no case: {run_id}"):
        said("encoder", "remove", "mine")
    assert json.loads(said("encoder", "list", "--json"))["encoders"][0]["runs"] == [run_id]
    installation.runs.cancel(run_id)
    installation.runs.withdraw(run_id)
    said("encoder", "remove", "mine")
    assert not cached.exists()


def test_a_damaged_encoder_is_listed_as_unreadable_and_can_be_removed(said, file, tmp_path, installation):
    said("encoder", "add", file, "--name", "mine", "--card", made_up_encoder.write_card(tmp_path, file))
    (installation.encoders.root / "mine" / "weights.safetensors").write_bytes(b"x")
    (listed,) = json.loads(said("encoder", "list", "--json"))["encoders"]
    assert listed["state"] == "unreadable" and "weights.safetensors is missing or was changed" in listed["message"]
    said("encoder", "remove", "mine")


def test_runs_with_an_encoder_are_other_runs_and_name_it(said, file, tmp_path, installation, cohort, monkeypatch):
    monkeypatch.setattr("dpmed_core.commands.training.ensure_engine", lambda settings: None)
    card = made_up_encoder.write_card(tmp_path, file, data_sources=["padchest"])
    said("encoder", "add", file, "--name", "mine", "--card", card)
    sweep = ("sweep", "--cohort", cohort.name, "--epsilons", "8", "--json")
    plain, joined = (json.loads(said(*sweep, *more))["runs"] for more in ((), ("--encoder", "mine")))
    assert {run["encoder"] for run in plain} == {None}
    assert {run["encoder"] for run in joined} == {installation.encoders.load("mine").digest}
    assert not {run["run_id"] for run in plain} & {run["run_id"] for run in joined}
    assert "probe with encoder mine  epsilon 8" in said("runs")
    caution = CliRunner().invoke(dpmed, [*sweep, "--encoder", "mine"]).stderr
    assert "Encoder mine was trained on padchest, and where this cohort's images were published is not known here" in caution
    with pytest.raises(EncoderError, match="There is no encoder 'other'"):
        said(*sweep, "--encoder", "other")
    with pytest.raises(DpmedError, match="read by recipe probe on radiographs alone"):
        said(*sweep, "--encoder", "mine", "--recipe", "paper")
