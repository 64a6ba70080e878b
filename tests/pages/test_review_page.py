"""The page Review: a meeting from its opening to its end, who may write over what, and what cannot be trusted."""

import io
import os
import zipfile
from pathlib import Path

import pytest
from sqlalchemy import text, update

from dpmed_core.backups.restore import restore_backup
from dpmed_core.cohort.case_links import case_links
from dpmed_core.cohort.schema import Part
from dpmed_core.cohort.split import DEFAULT_SPLIT_SEED, assign_parts
from dpmed_core.database import Database
from dpmed_core.decision_report.beside import Asked
from dpmed_core.decision_report.compared import COST, compared
from dpmed_core.decision_report.gathered import of_review
from dpmed_core.review.acts import close, comment, give_verdict, groups_of, open_review
from dpmed_core.review.frozen import CANDIDATE, Candidate, run_ids
from dpmed_core.review.records import LONGEST_TEXT, About, Choice, Kind, Role
from dpmed_core.review.store import review_records, reviews
from dpmed_core.settings import Settings
from tests.foreign_strings import HOST, foreign_strings
from tests.pages.test_foreign_text import acted_upon
from tests.review.conftest import WHO, copy
from widgets.review.report import _cards, _report

__all__ = ["copy"]
QUORUM = (Role.CLINICIAN, Role.RESEARCHER, Role.PRIVACY_OFFICER, Role.IT)


@pytest.fixture
def data_dir(tmp_path: Path, copy: Path, calibrations: Path) -> Path:
    """A data folder with a cohort, finished runs of two budgets, and a review of the larger one."""
    settings = Settings(data_dir=tmp_path / "data", demo=False)
    restore_backup(settings, copy)
    (settings.data_dir / "calibrations").symlink_to(calibrations)
    return settings.data_dir


@pytest.fixture
def review(empty):
    return empty.reviews.review(empty.reviews.names()[0])


@pytest.fixture
def page(open_page, review):
    """The page of the review, on which Ada speaks for IT."""
    app = open_page("review", review=review.review_id)
    app.text_input(key="review-name").set_value("Ada")
    app.selectbox(key="review-role").set_value("IT")
    return app.run()


def texts(app) -> str:
    kinds = ("title", "header", "markdown", "caption", "info", "warning", "error", "success", "toast")
    return "\n".join(str(element.value) for kind in kinds for element in getattr(app, kind)).replace("\\", "")


def labelled(elements, label):
    return next(element for element in elements if element.label == label)


def press(app, label):
    app = labelled(app.button, label).click().run()
    assert not app.exception
    return app


def at_candidate(gathered, table):
    return table[table["epsilon"] == gathered.candidate["epsilon"]]


def now(here, review):
    return here.reviews.review(review.review_id)


def verdict(here, review, role, choice=Choice.APPROVE, **options):
    found = now(here, review)
    give_verdict(here.reviews, found, WHO[role], choice, "because", seen=found.version, **options)


def test_all_reviews_stand_in_a_table_open_ones_first_with_the_guarantee_in_one_line(empty, review, open_page):
    found = open_review(empty.reviews, empty.ledger, empty.cohorts.load("demo-radiograph"), Candidate(1.0), WHO[Role.IT])
    close(empty.reviews, empty.ledger, found, WHO[Role.IT], "too few came", seen=1, undecided=True)
    app = open_page("review")
    assert not app.exception
    table = app.dataframe[0].value
    assert list(table["State"]) == ["open", "closed"] and list(table["Outcome"]) == ["no decision", "no decision"]
    first = table["Guarantee"][0]
    assert review.frozen["candidate"]["guarantee"] in first and all(word in first for word in ("ε = 8", "δ = ", "patient", "accountant"))
    assert (table["Open points"] > 0).all()


def test_a_review_is_opened_at_the_budget_of_the_axis_with_its_question_and_quorum(empty, review, open_page):
    app = open_page("review", epsilon="1", cohort="demo-radiograph", recipe="probe")
    press(app, "Open the review")
    assert "Say who you are first" in texts(app) and len(empty.reviews.names()) == 1
    app.text_input(key="review-name").set_value("Ada")
    app.selectbox(key="review-role").set_value("researcher")
    app.text_area(key="review-question").set_value("For *the* ward?")
    app.number_input(key="review-quorum-clinician").set_value(2)
    app.number_input(key="review-quorum-IT").set_value(0)
    press(app, "Open the review")
    (opened,) = set(empty.reviews.names()) - {review.review_id}
    found = empty.reviews.review(opened)
    assert found.frozen["candidate"]["epsilon"] == 1.0 and found.records[0].author == ("Ada", "researcher")
    assert found.records[0].body["quorum"] == {"clinician": 2, "researcher": 1, "privacy officer": 1}
    assert opened in app.query_params["review"] and app.header[0].value == r"For \*the\* ward?"
    assert "2 of clinician" in texts(app)


def test_a_meeting_comments_answers_decides_and_closes(empty, review, page):
    page.selectbox(key=f"review-{review.review_id}-comment-0-kind").set_value(Kind.GROUP).run()
    group = next(iter(groups_of(empty.reviews.tables(review.review_id))))
    labelled(page.selectbox, "Which group").set_value(group)
    labelled(page.text_area, "Comment").set_value("few patients")
    press(page, "Comment")
    [said] = now(empty, review).of_kind("comment")
    assert said.author == ("Ada", "IT") and said.body["about"] == {"kind": "group", "name": group, "finding": ""}
    assert labelled(page.text_area, "Comment").value == "" and "few patients" in texts(page) and "Recorded: comment." in texts(page)
    points = labelled(page.selectbox, "Point")
    assert points.options[0].startswith("OPEN: ")
    labelled(page.radio, "It is").set_value("met")
    labelled(page.text_area, "Answer").set_value("since May")
    press(page, "Answer")
    assert now(empty, review).of_kind("answer")[0].body["text"] == "since May"
    states = next(frame.value["State"] for frame in page.dataframe if "State" in frame.value)
    assert list(states) == sorted(states, key=lambda state: state != "OPEN")  # open points first
    for role in QUORUM:
        page.text_input(key="review-name").set_value(f"Dr {role}")
        page.selectbox(key="review-role").set_value(role.value)
        labelled(page.radio, "Verdict").set_value("approve with conditions" if role is Role.IT else "approve")
        labelled(page.text_area, "Reason").set_value("good enough")
        if role is Role.IT:
            labelled(page.text_area, "Conditions, of an approval with conditions alone").set_value("for a year")
        press(page, "Give this verdict")
    assert "It would be closed as **approved with conditions**" in texts(page)
    press(page, "Close the review")
    assert "closed for good" in texts(page) and now(empty, review).closed is None
    labelled(page.checkbox, "Yes, close it for good: afterwards it can only be read.").check()
    press(page, "Close the review")
    ended = now(empty, review)
    assert ended.closed.body["outcome"] == "approved with conditions"
    assert page.warning[0].value.startswith("**Approved with conditions.** Closed by Dr IT") and "for a year" in texts(page)
    assert not page.text_area and not [button for button in page.button if button.label in ("Comment", "Answer", "Close the review")]


def test_nobody_writes_over_what_they_did_not_see_and_what_they_typed_stays(empty, review, page):
    labelled(page.radio, "Verdict").set_value("reject")
    labelled(page.text_area, "Reason").set_value("my reason")
    comment(empty.reviews, review, WHO[Role.CLINICIAN], About(), "a new doubt", seen=review.version, cohort=None)
    press(page, "Give this verdict")
    told = texts(page)
    assert "Nothing was recorded: Dr clinician (clinician) wrote meanwhile" in told and now(empty, review).of_kind("verdict") == []
    assert "New since your page was drawn: 1 record" in told and "Dr clinician (clinician), comment: a new doubt" in told
    assert labelled(page.text_area, "Reason").value == "my reason" and labelled(page.radio, "Verdict").value == "reject"
    press(page, "Give this verdict")
    assert now(empty, review).of_kind("verdict")[0].body["reason"] == "my reason" and "Nothing was recorded" not in texts(page)


def test_a_case_is_named_as_pages_name_it_and_never_by_its_own_id(empty, review, page):
    cohort = empty.cohorts.load("demo-radiograph")
    split = assign_parts(cohort, seed=DEFAULT_SPLIT_SEED, key=empty.key)
    links = case_links(cohort, empty.key)
    row = int((split.parts == Part.TEST.value).nonzero()[0][0])
    page.selectbox(key=f"review-{review.review_id}-comment-0-kind").set_value(Kind.CASE).run()
    for name, expected in (("nothing", "No case is called so here"), (links.links[row], "Recorded")):
        labelled(page.text_input, "Which case").set_value(name)
        labelled(page.text_area, "Comment").set_value("a shadow")
        press(page, "Comment")
        assert expected in texts(page)
    [said] = now(empty, review).of_kind("comment")
    assert said.body["about"]["name"] == links.case_ids[row] and said.words == "a shadow"
    assert f"on case {links.links[row]}" in texts(page) and links.case_ids[row] not in texts(page)
    empty.remove_cohort("demo-radiograph")
    assert "Its words were removed with the cohort" in texts(page.run()) and "a shadow" not in texts(page)


def test_what_is_different_now_stands_above_everything(empty, review, open_page):
    run_id = review.frozen["runs"][0]["run_id"]
    empty.runs.withdraw(run_id)
    app = open_page("review", review=review.review_id)
    assert not app.exception and f"Run {run_id} of the" in app.warning[0].value and "withdrawn" in app.warning[0].value


def test_two_reviews_are_compared_by_what_differs(empty, review, open_page):
    cohort = empty.cohorts.load("demo-radiograph")
    other = open_review(empty.reviews, empty.ledger, cohort, Candidate(1.0), WHO[Role.IT])
    verdict(empty, other, Role.IT, Choice.REJECT)
    app = open_page("review", review=review.review_id, against=other.review_id)
    assert not app.exception
    shown = next(frame.value for frame in app.dataframe if "This review" in frame.value)
    rows = shown.set_index(shown.columns[0])
    assert "ε = 8" in rows.loc["Guarantee", "This review"] and "ε = 1" in rows.loc["Guarantee", "The other"]
    first, second = (of_review(empty, one.review_id) for one in (review, other))
    for column, gathered in (("This review", first), ("The other", second)):
        row = at_candidate(gathered, gathered.tables.auroc.costs).query("finding == 'macro' and attribute == 'all'").iloc[0]
        said = rows.loc[COST, column].replace("−", "-")
        assert all(f"{row[name]:z.3f}" in said for name in ("difference", "difference_low", "difference_high"))
    verdicts = [at_candidate(gathered, gathered.tables.verdicts)["verdict"] for gathered in (first, second)]
    changed = sum(one != two for one, two in zip(*verdicts, strict=True))
    assert sum(": " in str(name) for name in rows.index) == changed
    itself = compared(first, first, ("a", "b"))
    assert [row[0] for row in itself.rows] == ["Outcome", "Guarantee", COST]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (update(review_records).values(body='{"name":"Mallory","role":"IT","question":"","quorum":{}}'), "Not genuine from record 1 on"),
        (update(reviews).values(tables=text("replace(tables, '\"rows\":[[', '\"rows\":[[],[')")), "Not genuine:"),
    ],
)
def test_a_review_that_was_changed_outside_can_be_read_and_nothing_more(empty, review, open_page, change, words):
    with Database(empty.settings).transaction(exclusive=True) as connection:
        connection.execute(change)
    app = open_page("review", review=review.review_id)
    assert not app.exception and words in texts(app) and "No number is shown" in texts(app)
    assert not app.text_area and all(
        button.proto.disabled for button in app.get("download_button") if button.proto.label.startswith("Report as")
    )


@pytest.mark.parametrize(
    "change", [update(review_records).values(body="{}"), update(reviews).values(frozen="{}"), update(reviews).values(frozen="no")]
)
def test_a_review_of_which_too_little_is_left_keeps_no_other_from_being_shown(empty, review, open_page, change):
    other = open_review(empty.reviews, empty.ledger, empty.cohorts.load("demo-radiograph"), Candidate(1.0), WHO[Role.IT])
    table = change.table
    with Database(empty.settings).transaction(exclusive=True) as connection:
        connection.execute(change.where(table.c.review_id == review.review_id))
    app = open_page("review")
    assert not app.exception and list(app.dataframe[0].value["State"]) == ["open", "not genuine"]
    assert "so that nothing of it can be shown" in texts(open_page("review", review=review.review_id))
    assert "So far: no decision" in texts(open_page("review", review=other.review_id, against=review.review_id))


def test_name_and_role_are_said_once_a_session(page):
    page.switch_page("status.py").run()
    page.switch_page("review.py").run()
    assert not page.exception
    assert (page.text_input(key="review-name").value, page.selectbox(key="review-role").value) == ("Ada", "IT")


def test_without_a_browser_there_is_no_pdf_and_the_page_says_why(empty, review, open_page, monkeypatch):
    monkeypatch.setattr("widgets.review.report.browser", lambda: None)
    app = open_page("review", review=review.review_id)
    disabled = {button.proto.label: button.proto.disabled for button in app.get("download_button")}
    assert not disabled["Report as HTML"] and disabled["Report as PDF"] and "A PDF needs Chrome or Chromium" in texts(app)
    assert "recorded as a release" in texts(app)


def test_commented_cases_are_offered_for_the_report_where_there_are_some_and_protection_where_it_was_measured(empty, review, open_page):
    offered = {box.key for box in open_page("review", review=review.review_id).checkbox}
    assert not {"review-with-cases", "review-with-protection"} & offered
    cohort = empty.cohorts.load("demo-radiograph")
    rows = assign_parts(cohort, seed=DEFAULT_SPLIT_SEED, key=empty.key).parts == Part.TEST.value
    case_id = str(cohort.cases["case_id"][rows].iloc[0])
    comment(empty.reviews, review, WHO[Role.IT], About(Kind.CASE, case_id), "a shadow", seen=review.version, cohort=cohort)
    app = open_page("review", review=review.review_id)
    app.checkbox(key="review-with-cases").check().run()
    assert not app.exception
    assert 'id="cases"' in _report(review.review_id, "html", Asked(cases=True), empty).decode()


def test_drafts_of_the_models_cards_are_offered(empty, review, open_page):
    app = open_page("review", review=review.review_id)
    runs = run_ids(review.frozen, CANDIDATE)
    assert app.selectbox(key="review-cards-run").options == list(runs)
    assert "Drafts of the model's cards" in [button.proto.label for button in app.get("download_button")]
    with zipfile.ZipFile(io.BytesIO(_cards(review.review_id, runs[0], empty))) as archive:
        assert f"Review {review.review_id}: no decision" in archive.read("README.md").decode()


def test_a_review_that_does_not_exist_is_said(empty, open_page):
    app = open_page("review", review="f" * 16)
    assert not app.exception and "Review “ffffffffffffffff” does not exist here" in app.error[0].value and app.dataframe


def test_a_database_that_cannot_be_read_is_said_in_one_sentence(empty, review, open_page):
    for path in empty.settings.data_dir.glob("dpmed.db*"):
        path.unlink()
    empty.settings.database_path.write_bytes(os.urandom(4096))
    app = open_page("review", review=review.review_id)
    assert not app.exception and any("damaged: restore it from a backup" in error.value for error in app.error)


def test_foreign_words_are_shown_as_text_and_long_ones_are_folded(empty, review, open_page):
    hostile = [*foreign_strings(12), f"![p](http://{HOST}/x.png) <img src=x> :smile:", "y" * LONGEST_TEXT]
    seen = review.version
    for words in hostile:
        if words.strip():
            comment(empty.reviews, review, WHO[Role.IT], About(), words, seen=seen, cohort=None)
    verdict(empty, review, Role.CLINICIAN, Choice.WITH_CONDITIONS, conditions=hostile[-2])
    app = open_page("review", review=review.review_id)
    assert not app.exception and acted_upon(app) == []
    assert f"All {LONGEST_TEXT:,} characters" in [expander.label for expander in app.expander]
    assert HOST in texts(app)
