"""Every role at every door of the core: what it may do is done and recorded, what it may not is refused and recorded."""

import io
import shutil
from dataclasses import replace
from secrets import token_hex

import numpy as np
import pytest
from PIL import Image

from dpmed_core.cohort.schema import Cohort
from dpmed_core.doctor.state import state_of
from dpmed_core.errors import NotAllowedError, SpecError
from dpmed_core.evaluation.analysis_plan import AnalysisPlan
from dpmed_core.imaging.modality import Modality
from dpmed_core.inference.requests import Explanation, ShadowTrainings, UploadedCase
from dpmed_core.inference.store import InferenceRequests
from dpmed_core.installation import Installation
from dpmed_core.people.actor import Actor
from dpmed_core.people.identity import Identity
from dpmed_core.people.roles import ALLOWED, Action, Role
from dpmed_core.people.signed_on import SignedOn, actor_of
from dpmed_core.privacy.ledger.release import release_content, release_run
from dpmed_core.protection import stored_exposure, stored_returning
from dpmed_core.review.acts import comment, give_verdict, open_review
from dpmed_core.review.frozen import Candidate
from dpmed_core.review.records import About, Author, Choice
from dpmed_core.review.records import Role as Voice
from dpmed_core.review.store import Review
from dpmed_core.review.voices import voices_of
from dpmed_core.runs.plan import plan_runs
from dpmed_core.training.spec import PrivacyUnit
from dpmed_core.uploads.jobs import Jobs
from dpmed_core.uploads.single_case import read_uploaded_case
from tests.reader_study.arm_study_data import made_up_study
from tests.review.conftest import cohort, copy, demo, here, new_settings, review

__all__ = ["cohort", "copy", "demo", "here", "new_settings", "review"]
NAME = "demo-radiograph"
NOW = 1_800_000_000.0
RELEASE = {"name": "x", "reason": "y", "without_guarantee": True}


def somebody(here: Installation, role: Role | None, who: str = "ada@h.example") -> Actor:
    """A person who was granted `role` here and signed on a minute ago."""
    if role is not None:
        here.directory.grant(who, role, by="a test")
    identity = Identity(who, frozenset(), NOW - 60)
    return actor_of(SignedOn(identity, here.directory, here.trail, 3600.0, set(), clock=lambda: NOW))


def picture() -> io.BytesIO:
    file = io.BytesIO()
    Image.fromarray(np.arange(64 * 64, dtype=np.uint8).reshape(64, 64)).save(file, "PNG")
    file.seek(0)
    return file


def acts(here: Installation, cohort: Cohort, review: Review) -> list[tuple[Action, object]]:
    """(what must be allowed, an act through a door of the core), for every action and kind of door."""
    requests, ledger = InferenceRequests(here), here.ledger
    specs = plan_runs(cohort, key=here.key, recipe="probe", epsilons=[3.0], n_seeds=1, delta=None, unit=PrivacyUnit.PATIENT)
    run_id = next(s.run_id for s in here.runs.statuses() if s.spec.privacy)
    new = here.runs.run_id(next(spec for spec in specs if spec.privacy))
    you = Author("somebody else", (voices_of(here.actor.roles()) or [Voice.CLINICIAN])[0])
    studied = replace(made_up_study(study_id=token_hex(8), readers=("ada@h.example",)), fingerprint=cohort.fingerprint)
    Installation.open(here.settings).arm_studies.add(studied)
    ct = ShadowTrainings(NAME, "exposure", (1.0,), 1e-5)
    return [
        (Action.SEE_RESULTS, lambda: here.cohorts.load(NAME)),
        (Action.SEE_RESULTS, lambda: here.cohorts.report(NAME)),
        (Action.SEE_RESULTS, lambda: here.runs.scores(run_id)),
        (Action.SEE_CASES, lambda: requests.ask(Explanation(NAME, "a case", (("a run", "digest"),), "nodule", "occlusion"))),
        (Action.SEE_EXPOSURE, lambda: stored_exposure(here, cohort)),
        (Action.SEE_EXPOSURE, lambda: stored_returning(here, cohort)),
        (Action.SEE_RUNS, lambda: here.actor.require(Action.SEE_RUNS)),
        (Action.SEE_RUNS, lambda: here.runs.weights(run_id)),
        (Action.SEE_OPERATIONS, lambda: state_of(here)),
        (Action.SEE_TRAIL, lambda: here.trail.last(3)),
        (Action.READ_CASES, lambda: here.reader_study.begin(reader="x", fingerprint=cohort.fingerprint, finding="f", **READING)),
        (Action.READ_CASES, lambda: here.arm_studies.begin_session(studied, "ada@h.example")),
        (Action.READ_CASES, lambda: here.arm_studies.record(studied, "ada@h.example", session=1, place=1, **ANSWER)),
        (Action.PLAN_READINGS, lambda: here.arm_studies.add(replace(studied, study_id=token_hex(8)))),
        (Action.PLAN_READINGS, lambda: here.arm_studies.end(studied, name="x", reason="y")),
        (
            Action.UPLOAD_CASES,
            lambda: read_uploaded_case([picture()], here.settings, modality=Modality.RADIOGRAPH, side=128, actor=here.actor),
        ),
        (Action.UPLOAD_CASES, lambda: requests.ask(UploadedCase(NAME, (("a run", "digest"),)), pixels=np.zeros((2, 2), np.uint8))),
        (Action.TRAIN, lambda: ledger.ask(cohort, specs)),
        (Action.TRAIN, lambda: here.runs.cancel(new)),
        (Action.TRAIN, lambda: here.runs.retry(new)),
        (Action.PLAN, lambda: ledger.write_plan(cohort, AnalysisPlan.of(["sex"], cohort.findings, 0.05), reason="z")),
        (Action.IMPORT, lambda: Jobs(here.settings, here.actor).all()),
        (Action.IMPORT, lambda: Jobs(here.settings, here.actor).begin_upload(io.BytesIO(b"PK"))),
        (Action.IMPORT, lambda: here.remove_cohort("second")),
        (Action.MEASURE, lambda: ledger.measure(cohort, split_seed=None, facts={"recipe": "probe"}, n_trainings=4)),
        (Action.MEASURE, lambda: requests.ask(ct)),
        (Action.SET_CAP, lambda: ledger.set_cap(epsilon=None, delta=1e-5, name="x", reason="y")),
        (Action.RELEASE, lambda: release_content(ledger, b"a figure", cohort, **RELEASE)),
        (Action.RELEASE, lambda: release_run(ledger, run_id, name="x", reason="y")),
        (Action.OPEN_REVIEWS, lambda: open_review(here.reviews, ledger, cohort, Candidate(8.0), you)),
        (Action.JOIN_REVIEWS, lambda: comment(here.reviews, review, you, About(), "words", seen=review.version, cohort=None)),
        (Action.JOIN_REVIEWS, lambda: give_verdict(here.reviews, review, you, Choice.APPROVE, "good", seen=review.version + 1)),
        (Action.MANAGE_PEOPLE, lambda: here.directory.grant("bea@h.example", Role.VIEWER, by="x")),
        (Action.MANAGE_PEOPLE, lambda: here.directory.revoke("bea@h.example", None, by="x")),
    ]


ANSWER = {"present": True, "confidence": 1, "seconds": 1.0}
READING = {"n_cases": 5, "balanced": True, "told_after_each": False}


@pytest.fixture
def second(here, monkeypatch):
    """A cohort to remove; no process is started."""
    shutil.copytree(here.cohorts.root / NAME, here.cohorts.root / "second")
    monkeypatch.setattr(Jobs, "start", lambda self, job, stage: self.actor.require(Action.IMPORT, job.job_id))


def test_every_action_has_a_door_that_is_tried(here, cohort, review):
    assert {action for action, _ in acts(here, cohort, review)} == set(Action)


@pytest.mark.parametrize("role", [*Role, None], ids=lambda role: role.value if role else "no role")
@pytest.mark.usefixtures("second")
def test_a_role_does_what_the_table_allows_and_nothing_else(here, cohort, review, role):
    theirs = here.acted_on_by(somebody(here, role))
    for action, act in acts(theirs, cohort, review):
        allowed = role in ALLOWED[action]
        if allowed:
            try:
                act()
            except SpecError:  # too few patients to measure: the door was open
                assert action is Action.SEE_EXPOSURE
        else:
            with pytest.raises(NotAllowedError):
                act()
        last = here.trail.last(1)[0]
        # What is looked at is recorded once, and pages that renew themselves are recorded when they are refused.
        if not allowed or not action.is_looking:
            newest = [entry for entry in here.trail.last(4) if entry.action == action.value]
            assert newest or action is Action.IMPORT, action
            assert all(entry.allowed is allowed for entry in newest), action
        assert last.who == "ada@h.example"


def test_what_is_recorded_carries_the_name_that_signed_on(here, cohort, review):
    theirs = here.acted_on_by(somebody(here, Role.PRIVACY_OFFICER))
    theirs.ledger.set_cap(epsilon=30.0, delta=1e-5, name="somebody else", reason="y")
    (voice,) = voices_of(theirs.actor.roles())
    record = give_verdict(theirs.reviews, review, Author("somebody else", voice), Choice.REJECT, "no", seen=review.version)
    assert (record.author, theirs.ledger.book().cap.name) == (("ada@h.example", "privacy officer"), "ada@h.example")


def test_nobody_speaks_for_a_role_that_they_do_not_have(here, review):
    theirs = here.acted_on_by(somebody(here, Role.PRIVACY_OFFICER))
    author = Author("ada@h.example", voices_of([Role.READER])[0])
    with pytest.raises(NotAllowedError, match="speak for privacy officer"):
        give_verdict(theirs.reviews, review, author, Choice.APPROVE, "good", seen=review.version)
    assert (here.trail.last(1)[0].allowed, here.reviews.review(review.review_id).version) == (False, review.version)


def test_a_role_that_was_revoked_fails_at_the_next_act(here, cohort):
    actor = somebody(here, Role.RESEARCHER)
    theirs = here.acted_on_by(actor)
    specs = plan_runs(cohort, key=here.key, recipe="probe", epsilons=[3.0], n_seeds=1, delta=None, unit=PrivacyUnit.PATIENT)
    theirs.ledger.ask(cohort, specs)
    here.directory.revoke("ada@h.example", Role.RESEARCHER, by="a test")
    with pytest.raises(NotAllowedError, match="no role"):
        theirs.runs.cancel(here.runs.run_id(specs[-1]))
    with pytest.raises(NotAllowedError):
        actor.admit(Action.SEE_CASES, at_once=True)


def test_a_reader_goes_on_with_no_one_elses_reading(here, cohort):
    ada, bea = (here.acted_on_by(somebody(here, Role.READER, f"{name}@h.example")).reader_study for name in ("ada", "bea"))
    reading = ada.begin(reader="anything", fingerprint=cohort.fingerprint, finding="f", **READING)
    assert reading.reader == "ada@h.example"
    with pytest.raises(NotAllowedError, match="another reader"):
        bea.record(reading, place=0, case_id="c", present=True, confidence=1, seconds=1.0)
    with pytest.raises(NotAllowedError, match="another reader"):
        bea.give_up(reading)
    assert ada.record(reading, place=0, case_id="c", present=True, confidence=1, seconds=1.0)


def test_words_on_a_case_are_shown_to_those_who_may_see_cases(here, cohort, review):
    case = next(iter(cohort.cases["case_id"]))
    records = here.reviews
    records.append(
        review.review_id, "comment", {"name": "x", "role": "clinician", "about": {"kind": "case", "name": case}}, seen=1, words="scar"
    )
    for role, shown in ((Role.READER, "scar"), (Role.VIEWER, None)):
        seen = here.acted_on_by(somebody(here, role, f"{role.name.lower()}@h.example")).reviews.review(review.review_id)
        assert (seen.records[-1].words, seen.broken_at) == (shown, None)


def test_readers_with_long_names_have_readings_of_their_own(here, cohort):
    names = [f"maximilian.von.habsburg-lothringen@klinikum-{place}.example" for place in ("nord", "sued")]
    north, south = (here.acted_on_by(somebody(here, Role.READER, name)).reader_study for name in names)
    asked = {"reader": "", "fingerprint": cohort.fingerprint, "finding": "f", **READING}
    first, second = north.begin(**asked), south.begin(**asked)
    assert first.reading_id != second.reading_id
    assert north.begin(**asked) == first
    with pytest.raises(NotAllowedError, match="another reader"):
        south.record(first, place=0, case_id="c", present=True, confidence=1, seconds=1.0)


def test_no_record_of_a_review_is_signed_by_another(here, review):
    reviews = here.acted_on_by(somebody(here, Role.VIEWER)).reviews
    own = {"name": "ada@h.example", "signed_on": True, "role": "patient representative"}
    for forged in ({"name": "paul@h.example"}, {"role": "privacy officer"}, {"signed_on": False}):
        with pytest.raises(NotAllowedError, match="signed by whoever writes it"):
            reviews.append(review.review_id, "verdict", {**own, **forged, "choice": "approve", "reason": "r", "conditions": ""}, seen=1)
    assert here.reviews.review(review.review_id).version == review.version


def test_scores_of_cases_are_released_by_those_alone_who_may_see_cases(here):
    run_id = next(s.run_id for s in here.runs.statuses() if s.spec.privacy)
    ledger = here.acted_on_by(somebody(here, Role.PRIVACY_OFFICER)).ledger
    with pytest.raises(NotAllowedError, match="see single cases"):
        release_run(ledger, run_id, name="x", reason="y", scores=True)


def test_nobody_speaks_for_a_role_that_was_taken_away_since_the_page_was_drawn(here, review):
    theirs = here.acted_on_by(somebody(here, Role.PRIVACY_OFFICER))
    here.directory.grant("ada@h.example", Role.VIEWER, by="a test")
    (voice,) = voices_of([Role.PRIVACY_OFFICER])
    assert voice in voices_of(theirs.actor.roles())  # as the page shows it
    here.directory.revoke("ada@h.example", Role.PRIVACY_OFFICER, by="a test")
    with pytest.raises(NotAllowedError, match="may not speak for privacy officer"):
        give_verdict(theirs.reviews, review, Author("x", voice), Choice.APPROVE, "good", seen=review.version)
