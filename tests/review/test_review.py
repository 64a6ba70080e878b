"""A review from its opening to its end: what is frozen, who may write when, what it comes to, and what shows later."""

import json
from dataclasses import replace

import pandas as pd
import pytest
from sqlalchemy import update

from dpmed_core.cohort.schema import Part
from dpmed_core.cohort.split import DEFAULT_SPLIT_SEED, assign_parts
from dpmed_core.database import Database
from dpmed_core.doctor.examine import examine
from dpmed_core.errors import ReviewError
from dpmed_core.evaluation.tables.all_tables import EvaluationTables
from dpmed_core.installation import Installation
from dpmed_core.review import changes as changing
from dpmed_core.review.acts import answer, close, comment, give_verdict, groups_of, open_review
from dpmed_core.review.changes import changes
from dpmed_core.review.checklist import PROGRAM, checklist, n_open
from dpmed_core.review.decision import decision, parse_quorum
from dpmed_core.review.frozen import CANDIDATE, REFERENCE, Candidate, run_ids, tables_for
from dpmed_core.review.frozen_tables import OF_ALL, OF_AUROC, changed_tables, digest_of_table, from_fields
from dpmed_core.review.guidance import POINTS, SOURCES
from dpmed_core.review.records import LONGEST_TEXT, About, Author, Choice, Kind, Met, Role
from dpmed_core.review.store import Review, review_records, reviews
from dpmed_core.runs.plan import plan_runs
from dpmed_core.training.spec import PrivacyUnit
from tests.finished_runs import finish_run
from tests.foreign_strings import foreign_strings
from tests.review.conftest import WHO, on_both


def again(here: Installation, review: Review) -> Review:
    return here.reviews.review(review.review_id)


def say_verdict(here: Installation, review: Review, role: Role, choice: Choice = Choice.APPROVE, **options) -> Review:
    now = again(here, review)
    give_verdict(here.reviews, now, WHO[role], choice, "because", seen=now.version, **options)
    return again(here, review)


@on_both
def test_what_is_frozen_is_what_pages_show_and_every_epsilon_has_its_guarantee(here, cohort, review):
    frozen, stored = review.frozen, here.reviews.tables(review.review_id)
    plans = here.ledger.plan_record(cohort)
    shown = tables_for(here.runs, cohort, plans, start=None, delta=None)
    assert isinstance(shown, EvaluationTables) and shown.by == plans.plan.attributes
    for name in (*OF_AUROC, *OF_ALL):
        table = getattr(shown.auroc if name in OF_AUROC else shown, name)
        assert len(table), name
        pd.testing.assert_frame_equal(from_fields(stored[name]), table.reset_index(drop=True), obj=name)
        assert frozen["tables"][name] == {"sha256": digest_of_table(stored[name]), "n_rows": len(table)}
    candidate, spent = frozen["candidate"], frozen["ledger"]
    assert (candidate["epsilon"], candidate["unit"], candidate["n_trainings"]) == (8.0, "patient", 2)
    assert candidate["delta"] > 0 and candidate["accountant"] and candidate["neighboring_relation"] == "zero-out"
    assert spent["delta"] > 0 and spent["accountant"] and spent["unit"] == "patient" and spent["n_draws"] == 4
    stated = {(row.epsilon, row.delta, row.unit) for row in from_fields(stored["guarantees"]).itertuples()}
    for name in stored:
        table = from_fields(stored[name])
        assert set(table["epsilon"].dropna()) <= {epsilon for epsilon, _, _ in stated}, name
    assert len(run_ids(frozen, CANDIDATE)) == 2 and len(run_ids(frozen, REFERENCE)) == 2
    assert all(set(run["files"]) == {"result.json", "scores.parquet", "weights.safetensors"} for run in frozen["runs"])
    assert spent["seal"] == here.ledger.chain.head().digest and review.broken_at is None


def test_nothing_frozen_counts_training_patients_or_images(here, cohort, review):
    split = assign_parts(cohort, seed=DEFAULT_SPLIT_SEED, key=here.key)
    counts = {part.value: int((split.parts == part.value).sum()) for part in Part}
    assert {part["part"]: part["n_cases"] for part in review.frozen["cohort"]["held_out"]} == {
        name: counts[name] for name in ("validation", "test")
    }
    said = json.dumps({**review.frozen, "tables": {}})
    assert "n_train_cases" not in said and f'"n_cases": {len(cohort.cases)}' not in said


def test_a_candidate_that_was_not_trained_or_has_no_reference_is_refused_with_what_there_is(here, cohort):
    for candidate, words in (
        (Candidate(3.0), "trained are 1, 8"),
        (Candidate(8.0, recipe="paper"), "trained are none"),
        (Candidate(8.0, unit=PrivacyUnit.IMAGE), "trained are none"),
    ):
        with pytest.raises(ReviewError, match=words):
            open_review(here.reviews, here.ledger, cohort, candidate, WHO[Role.IT])
    for run in [s for s in here.runs.of_cohort(cohort.fingerprint) if s.spec.privacy is None]:
        here.runs.withdraw(run.run_id)
    with pytest.raises(ReviewError, match="no finished reference"):
        open_review(here.reviews, here.ledger, cohort, Candidate(8.0), WHO[Role.IT])


@on_both
def test_nobody_writes_over_what_they_did_not_see(here, review):
    store, seen = here.reviews, review.version
    comment(store, review, WHO[Role.IT], About(), "first", seen=seen, cohort=None)
    # A comment overrules nothing, and may follow anything unseen; a verdict may not follow a doubt that its author did not see.
    comment(store, review, WHO[Role.CLINICIAN], About(), "second", seen=seen, cohort=None)
    with pytest.raises(ReviewError, match=r"Nothing was recorded: Dr clinician \(clinician\) wrote meanwhile"):
        give_verdict(store, review, WHO[Role.IT], Choice.APPROVE, "fine", seen=seen)
    say_verdict(here, review, Role.IT)
    comment(store, review, WHO[Role.IT], About(), "third", seen=3, cohort=None)
    with pytest.raises(ReviewError, match="no version 99"):
        comment(store, review, WHO[Role.IT], About(), "ahead", seen=99, cohort=None)
    now = again(here, review)
    assert [record.body.get("text") for record in now.of_kind("comment")] == ["first", "second", "third"] and now.version == 5
    # Verdicts of two people stand beside each other; nobody replaces their own, or answers or closes, with a verdict unseen.
    give_verdict(store, now, WHO[Role.CLINICIAN], Choice.APPROVE, "fine", seen=5)
    give_verdict(store, now, WHO[Role.RESEARCHER], Choice.REJECT, "not fine", seen=5)
    for refused in (
        lambda: give_verdict(store, now, WHO[Role.CLINICIAN], Choice.REJECT, "on second thoughts", seen=5),
        lambda: answer(store, now, WHO[Role.IT], "trust", Met.MET, "two people", seen=5),
        lambda: close(store, here.ledger, now, WHO[Role.IT], "soon", seen=5, undecided=True),
    ):
        with pytest.raises(ReviewError, match="wrote meanwhile"):
            refused()
    assert [record.body["reason"] for record in again(here, review).of_kind("verdict")] == ["because", "fine", "not fine"]
    with pytest.raises(ReviewError, match="no review"):
        store.append("f" * 16, "comment", WHO[Role.IT].to_fields(), seen=0)
    for name in ("", "../x", "f" * 16):
        with pytest.raises(ReviewError, match="no review"):
            store.review(name)


def test_comments_are_on_what_is_there(here, cohort, review):
    store, stored = here.reviews, here.reviews.tables(review.review_id)
    split = assign_parts(cohort, seed=DEFAULT_SPLIT_SEED, key=here.key)
    case_ids = cohort.cases["case_id"].astype(str)
    held_out, training = case_ids[split.parts == Part.TEST.value].iloc[0], case_ids[split.parts == Part.TRAIN.value].iloc[0]
    group = next(iter(groups_of(stored)))
    for about in (About(Kind.FIGURE, "loss-map"), About(Kind.GROUP, group, cohort.findings[0]), About(Kind.CASE, held_out), About()):
        comment(store, review, WHO[Role.CLINICIAN], about, "seen", seen=review.version, cohort=cohort)
    before = again(here, review)
    assert [record.body["about"]["kind"] for record in before.of_kind("comment")] == ["figure", "group", "case", "whole"]
    for about, words in (
        (About(Kind.FIGURE, "none"), "no figure"),
        (About(Kind.GROUP, "sex=none"), "no group"),
        (About(Kind.CASE, training), "no held-out case"),
        (About(Kind.WHOLE, finding="none"), "no finding"),
    ):
        with pytest.raises(ReviewError, match=words):
            comment(store, review, WHO[Role.CLINICIAN], about, "x", seen=before.version, cohort=cohort)
    assert again(here, review).version == before.version


@on_both
def test_a_review_closes_with_the_outcome_of_its_quorum_and_is_then_read_only(here, review):
    store = here.reviews
    with pytest.raises(ReviewError, match="1 of clinician, 1 of researcher, 1 of privacy officer, 1 of IT"):
        close(store, here.ledger, review, WHO[Role.IT], "", seen=review.version)
    for role in (Role.CLINICIAN, Role.RESEARCHER, Role.IT):
        say_verdict(here, review, role)
    now = say_verdict(here, review, Role.PRIVACY_OFFICER, Choice.REJECT)
    assert decision(now).outcome == "rejected"
    # Of one person the last verdict counts; the earlier one stays in the record.
    now = say_verdict(here, review, Role.PRIVACY_OFFICER, Choice.WITH_CONDITIONS, conditions="a release is recorded")
    assert decision(now).outcome == "approved with conditions" and len(now.of_kind("verdict")) == 5
    close(store, here.ledger, now, WHO[Role.IT], "as discussed", seen=now.version)
    ended = again(here, review)
    closed = ended.closed.body
    assert (closed["outcome"], closed["conditions"], closed["changes"]) == ("approved with conditions", ["a release is recorded"], [])
    assert closed["open_points"] == n_open(checklist(ended, store.tables(review.review_id))) > 0
    for act in (
        lambda: comment(store, ended, WHO[Role.IT], About(), "late", seen=ended.version, cohort=None),
        lambda: say_verdict(here, review, Role.IT),
        lambda: answer(store, ended, WHO[Role.IT], "trust", Met.MET, "late", seen=ended.version),
        lambda: close(store, here.ledger, ended, WHO[Role.IT], "again", seen=ended.version),
    ):
        with pytest.raises(ReviewError, match="closed, and can only be read"):
            act()
    assert again(here, review) == ended and ended.broken_at is None


def test_without_a_quorum_it_closes_only_as_undecided_and_says_why(here, cohort):
    quorum = parse_quorum("clinician:2")
    review = open_review(here.reviews, here.ledger, cohort, Candidate(8.0), WHO[Role.IT], quorum=quorum)
    review = say_verdict(here, review, Role.CLINICIAN)
    assert decision(review).missing == {Role.CLINICIAN: 1} and decision(review).outcome == "no decision"
    with pytest.raises(ReviewError, match="why nothing is decided"):
        close(here.reviews, here.ledger, review, WHO[Role.IT], " ", seen=review.version, undecided=True)
    close(here.reviews, here.ledger, review, WHO[Role.IT], "too few came", seen=review.version, undecided=True)
    assert again(here, review).closed.body["outcome"] == "no decision"
    give = Author("Another", Role.CLINICIAN)
    both = open_review(here.reviews, here.ledger, cohort, Candidate(8.0), WHO[Role.IT], quorum=quorum)
    both = say_verdict(here, both, Role.CLINICIAN)
    give_verdict(here.reviews, both, give, Choice.APPROVE, "so do I", seen=both.version)
    assert decision(again(here, both)).outcome == "approved"
    for text in ("", "king", "clinician:0", "clinician:x"):
        with pytest.raises(ReviewError):
            parse_quorum(text)


def test_a_verdict_needs_a_reason_and_conditions_where_it_has_any(here, review):
    for choice, reason, conditions in ((Choice.APPROVE, " ", ""), (Choice.WITH_CONDITIONS, "x", ""), (Choice.REJECT, "x", "y")):
        with pytest.raises(ReviewError):
            give_verdict(here.reviews, review, WHO[Role.IT], choice, reason, seen=review.version, conditions=conditions)
    with pytest.raises(ReviewError, match="a name"):
        give_verdict(here.reviews, review, Author("  ", Role.IT), Choice.APPROVE, "x", seen=review.version)
    give_verdict(here.reviews, review, Author("Ada", Role.IT), Choice.APPROVE, "x", seen=review.version)
    now = again(here, review)
    with pytest.raises(ReviewError, match="Ada has given a verdict as IT: one person speaks for one role"):
        give_verdict(here.reviews, now, Author(" Ada", Role.CLINICIAN), Choice.APPROVE, "x", seen=now.version)
    assert again(here, review) == now


def test_the_checklist_is_answered_by_program_and_people_and_open_points_are_counted(here, review):
    stored = here.reviews.tables(review.review_id)
    points = checklist(review, stored)
    assert [one.point.name for one in points] == [point.name for point in POINTS] and {point.source for point in POINTS} == set(SOURCES)
    assert len({point.name for point in POINTS}) == len(POINTS)
    by = {one.point.name: one for one in points}
    assert by["parameters"].by == PROGRAM and review.frozen["candidate"]["guarantee"] in by["parameters"].text
    assert by["composition"].text == review.frozen["ledger"]["sentence"] and by["ethics"].met is None and by["protocol"].met is Met.MET
    before = n_open(points)
    answer(here.reviews, review, WHO[Role.PRIVACY_OFFICER], "ethics", Met.NOT_APPLICABLE, "synthetic", seen=review.version)
    now = again(here, review)
    answer(here.reviews, now, WHO[Role.PRIVACY_OFFICER], "composition", Met.NOT_MET, "too much", seen=now.version)
    after = {one.point.name: one for one in checklist(again(here, review), stored)}
    assert n_open(list(after.values())) == before - 1
    assert (after["ethics"].by, after["ethics"].met) == ("Dr privacy officer, privacy officer", Met.NOT_APPLICABLE)
    assert (after["composition"].met, after["composition"].text) == (Met.NOT_MET, "too much")
    with pytest.raises(ReviewError, match="no point"):
        answer(here.reviews, again(here, review), WHO[Role.IT], "none", Met.MET, "x", seen=3)


def test_a_cohort_where_no_verdict_can_be_reached_is_not_said_to_be_fair(here, review):
    verdicts = from_fields(here.reviews.tables(review.review_id)["verdicts"])
    at = verdicts[verdicts["epsilon"] == 8.0]
    said = {one.point.name: one for one in checklist(review, here.reviews.tables(review.review_id))}["bias"]
    reached = bool(set(at["verdict"]) & {"widened", "not widened"})
    assert (said.met is Met.MET) == reached and all(str(name) in said.text for name in set(at["verdict"]))


def test_each_later_change_is_one_sentence(here, cohort, review, monkeypatch):
    assert changes(here.ledger, review.frozen) == []
    here.ledger.set_cap(epsilon=20.0, delta=1e-5, name="a", reason="b")
    assert changes(here.ledger, review.frozen) == ["The ledger has moved on by 1 entry: see what was spent since (`ledger show`)."]

    plan = here.ledger.plan_record(cohort).plan
    here.ledger.write_plan(cohort, replace(plan, margin=0.05), reason="a wider one")
    found = changes(here.ledger, review.frozen)
    assert len(found) == 2 and found[0].startswith("The analysis plan was changed:")

    more = plan_runs(cohort, key=here.key, recipe="probe", epsilons=[8.0], n_seeds=1, delta=None, unit=PrivacyUnit.PATIENT, first_seed=5)
    private = next(spec for spec in more if spec.privacy is not None)
    here.ledger.ask(cohort, [private])
    finish_run(here, cohort, private, 9)
    assert any("Of the candidate 1 further training has finished since" in one for one in changes(here.ledger, review.frozen))

    first, second = run_ids(review.frozen, CANDIDATE)
    finish_run(here, cohort, here.runs.status(first).spec, luck=77)
    reference = run_ids(review.frozen, REFERENCE)[0]
    (here.runs.root / reference / "scores.parquet").write_bytes(b"damaged")
    here.runs.withdraw(second)
    found = changes(here.ledger, review.frozen)
    assert f"Run {first} of the candidate was trained again, and is another model now." in found
    assert f"Run {second} of the candidate is withdrawn now." in found and f"Run {reference} of the reference is damaged." in found

    with monkeypatch.context() as patch:
        patch.setattr(changing, "own_version", lambda: "9.9")
        assert any("version 9.9 now" in one for one in changes(here.ledger, review.frozen))
    here.remove_cohort(cohort.name)
    assert f"The cohort {cohort.name} was removed, or cannot be read." in changes(here.ledger, review.frozen)
    assert again(here, review).frozen == review.frozen, "the review stays as it was"


@on_both
def test_words_on_a_case_go_with_the_cohort_and_everything_else_stays_and_is_genuine(here, cohort, review):
    split = assign_parts(cohort, seed=DEFAULT_SPLIT_SEED, key=here.key)
    case_id = cohort.cases["case_id"].astype(str)[split.parts == Part.TEST.value].iloc[0]
    comment(here.reviews, review, WHO[Role.CLINICIAN], About(Kind.CASE, case_id), "a shadow", seen=1, cohort=cohort)
    comment(here.reviews, review, WHO[Role.CLINICIAN], About(), 'not "kind":"case"', seen=1, cohort=cohort)
    assert again(here, review).records[1].words == "a shadow"
    here.remove_cohort(cohort.name)
    now = again(here, review)
    assert now.broken_at is None and now.records[1].words is None and "a shadow" not in json.dumps([r.to_fields() for r in now.records])
    assert now.records[2].body["text"] == 'not "kind":"case"' and now.version == 3


@pytest.mark.parametrize("which", ["body", "digest", "words", "frozen", "tables"])
def test_what_is_changed_outside_shows(here, cohort, review, which):
    split = assign_parts(cohort, seed=DEFAULT_SPLIT_SEED, key=here.key)
    case_id = cohort.cases["case_id"].astype(str)[split.parts == Part.TEST.value].iloc[0]
    comment(here.reviews, review, WHO[Role.CLINICIAN], About(Kind.CASE, case_id), "a shadow", seen=1, cohort=cohort)
    say_verdict(here, review, Role.IT, Choice.REJECT)
    with Database(here.settings).transaction() as connection:
        if which == "tables":
            stored = here.reviews.tables(review.review_id)
            stored["costs"]["rows"][0][0] = "another"
            connection.execute(update(reviews).values(tables=json.dumps(stored)))
        elif which == "frozen":
            connection.execute(update(reviews).values(frozen=json.dumps({**review.frozen, "format": 9})))
        else:
            body = {**again(here, review).records[1].body, "name": "Somebody else"}
            value = {"body": json.dumps(body), "digest": "0" * 32, "words": '"no shadow"'}[which]
            connection.execute(update(review_records).where(review_records.c.seq == 2).values({which: value}))
    found, stored = again(here, review), here.reviews.tables(review.review_id)
    assert found.broken_at == {"frozen": 0, "tables": None}.get(which, 2)
    assert changed_tables(found.frozen, stored) == (["costs"] if which == "tables" else [])
    (check,) = [check for check in examine(here.settings) if check.name.startswith("review ")]
    assert not check.ok and review.review_id in check.message and "review show" in check.repair


TEXTS = [
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "**bold** [link](https://example.com) ![x](y) # h $x$ `c`",
    "=cmd|' /C calc'!A0",
    "Ä" * LONGEST_TEXT,
    "null \x00 half \ud83d row\n 5. closed",
]


@on_both
def test_every_foreign_string_is_stored_as_it_is(here, review):
    texts = [text for text in map(str.strip, foreign_strings(150)) if 0 < len(text) <= LONGEST_TEXT]
    for text in texts:
        comment(here.reviews, review, Author(text, Role.IT), About(), text, seen=1, cohort=None)
    now = again(here, review)
    assert [(record.body["name"], record.body["text"]) for record in now.of_kind("comment")] == [(text, text) for text in texts]
    assert len(texts) > 100 and now.broken_at is None


@pytest.mark.parametrize(
    ("new_settings", "number"),
    [*(("sqlite", number) for number in range(len(TEXTS))), ("postgresql", len(TEXTS) - 1)],
    indirect=["new_settings"],
)
def test_whatever_is_written_into_any_input_is_stored_as_it_is(here, cohort, review, number):
    text = TEXTS[number].strip()
    author = Author(text, Role.IT)
    split = assign_parts(cohort, seed=DEFAULT_SPLIT_SEED, key=here.key)
    case_id = cohort.cases["case_id"].astype(str)[split.parts == Part.TEST.value].iloc[0]
    store = here.reviews
    opened = open_review(store, here.ledger, cohort, Candidate(8.0), author, question=text)
    comment(store, opened, author, About(Kind.CASE, case_id), text, seen=1, cohort=cohort)
    comment(store, opened, author, About(), text, seen=1, cohort=None)
    answer(store, opened, author, "trust", Met.MET, text, seen=3)
    give_verdict(store, opened, author, Choice.WITH_CONDITIONS, text, seen=4, conditions=text)
    close(store, here.ledger, again(here, opened), author, text, seen=5, undecided=True)
    now = again(here, opened)
    assert now.broken_at is None and {record.body["name"] for record in now.records} == {text}
    said = [now.records[0].body["question"], now.records[1].words, *(now.records[place].body["text"] for place in (2, 3, 5))]
    assert {*said, now.records[4].body["reason"], now.records[4].body["conditions"]} == {text}
    with pytest.raises(ReviewError, match="write less"):
        comment(store, review, author, About(), "x" * (LONGEST_TEXT + 1), seen=1, cohort=None)
