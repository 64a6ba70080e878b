"""The clock is set 400 days ahead or back: nothing that is worked on is removed, nothing waits until the clock has caught up."""

import ssl
import time
from dataclasses import replace

import pytest

from dpmed_core.cohort.drafts import resumable_draft, temporary_draft
from dpmed_core.engine.credentials import make_credentials
from dpmed_core.engine.training_task import work_on
from dpmed_core.files import age_seconds, is_settled, signature_of
from dpmed_core.inference.requests import PublicFeatures
from dpmed_core.inference.status import Stage
from dpmed_core.inference.store import LIMIT_SECONDS, InferenceRequests
from dpmed_core.installation import Installation
from dpmed_core.privacy.ledger.check import check_ledger
from dpmed_core.runs.status import RunState
from dpmed_core.uploads.jobs import JobPlan, Jobs, JobState
from dpmed_core.uploads.jobs import Stage as JobStage
from dpmed_core.uploads.single_case import remove_left_behind
from tests.small_runs import SteeredTrainer

DAYS = (400, -400)


@pytest.mark.parametrize("days", DAYS)
def test_a_run_trains_through_it_and_the_ledger_stays_in_order(installation: Installation, cohort, spec, set_clock, days) -> None:
    specs = [replace(spec, seed=seed) for seed in range(3)]
    first = installation.ledger.ask(cohort, specs[:1])[0].run_id
    work_on(installation.settings, first, trainer=SteeredTrainer(at=lambda step: set_clock(days if step == 3 else 0)))
    set_clock(days)
    second = installation.ledger.ask(cohort, specs[1:2])[0].run_id
    work_on(installation.settings, second, trainer=SteeredTrainer())
    set_clock(0)
    third = installation.ledger.ask(cohort, specs[2:])[0].run_id
    work_on(installation.settings, third, trainer=SteeredTrainer())
    assert {s.state for s in installation.runs.statuses()} == {RunState.FINISHED}
    assert all(installation.runs.attempts_record(run_id).is_whole for run_id in (first, second, third))
    assert check_ledger(installation.ledger).problems == ()
    assert [draw.run_id for draw in installation.ledger.book().draws] == [first, second, third]
    assert [entry.seq for entry in installation.ledger.chain.entries()] == list(range(1, len(installation.ledger.chain.entries()) + 1))


@pytest.mark.parametrize("days", DAYS)
def test_an_import_that_works_is_not_removed_and_one_that_died_is_said_to_have(settings, set_clock, days) -> None:
    jobs = Jobs(settings)
    works, died = (jobs._new(JobPlan()) for _ in range(2))
    for job in (works, died):
        job.set_state(JobState(JobStage.IMPORTING))
    with works.lock:
        set_clock(days)
        assert works.state().stage is JobStage.IMPORTING and died.state().stage is JobStage.INTERRUPTED
        jobs.clear_old()
        assert works.folder.exists()


@pytest.mark.parametrize("days", DAYS)
def test_drafts_and_uploaded_cases_that_are_worked_on_stay_and_others_go(settings, tmp_path, set_clock, days) -> None:
    left = tmp_path / ".draft-left"
    left.mkdir()
    with temporary_draft(settings.uploaded_cases_dir) as case, temporary_draft(tmp_path) as one, resumable_draft(tmp_path, "work") as two:
        set_clock(days)
        remove_left_behind(settings)
        with temporary_draft(tmp_path):
            assert case.exists() and one.exists() and two.exists() and not left.exists()
        (settings.uploaded_cases_dir / "left").mkdir()
    remove_left_behind(settings)
    assert list(settings.uploaded_cases_dir.iterdir()) == [], "no picture of a patient waits for the clock"


@pytest.mark.parametrize("days", DAYS)
def test_a_request_expires_at_once_rather_than_never_and_can_be_asked_again(installation: Installation, cohort, set_clock, days) -> None:
    requests = InferenceRequests(installation)
    name = requests.ask(PublicFeatures(cohort.name, cohort.fingerprint))
    set_clock(days)
    assert requests.state(name).stage is Stage.EXPIRED and requests.state(name).waited_seconds > LIMIT_SECONDS
    again = requests.ask(PublicFeatures(cohort.name, cohort.fingerprint))
    assert requests.state(again).stage is Stage.WAITING


@pytest.mark.parametrize("days", DAYS)
def test_what_was_remembered_of_files_is_used_and_dropped_as_before(installation: Installation, spec, set_clock, days) -> None:
    asked = installation.runs.ask(spec, cohort_name="images").run_id
    path = installation.runs.root / asked / "progress.json"
    set_clock(days)
    assert is_settled(signature_of(path)) and age_seconds(path.stat().st_mtime) > 86_400
    listing = installation.runs.listing(at_most_seconds_old=60)
    assert installation.runs.listing(at_most_seconds_old=60) is listing, "a mark in the future does not have all runs read at each look"
    installation.runs.cancel(asked)
    assert installation.runs.listing(at_most_seconds_old=60).open == ()


def test_an_engines_certificate_is_valid_whatever_the_clock_says(tmp_path) -> None:
    """OpenSSL reads the clock itself; what it compares with lies a century away on either side."""
    facts = ssl._ssl._test_decode_cert(str(make_credentials(tmp_path).certificate))
    year = 365 * 86_400
    assert ssl.cert_time_to_seconds(facts["notBefore"]) < time.time() - 20 * year
    assert ssl.cert_time_to_seconds(facts["notAfter"]) > time.time() + 100 * year
