"""Several readers and arms on the page Cases: planned, read, kept closed, ended, and compared."""

import re

import pytest

from dpmed_core.people.roles import Role
from dpmed_core.reader_study.multi_reader.ratings import ARMS
from tests.pages.case_list import has_tables
from tests.pages.following import figures
from tests.pages.test_people_page import WHO, signed_on
from tests.pages.test_reader_study import even, press, texts, trained
from tests.reader_study.arm_study_data import made_up_study, read_session

__all__ = ["even", "signed_on", "trained"]
FINDING = "cardiomegaly"


def open_studies(open_page, study=None, **address):
    named = {} if study is None else {"study": study.study_id}
    return open_page("cases", finding=FINDING, mode="readers", **named, **address)


def plan_on_page(app, readers="Ada\nBo", days=0, arms=ARMS, title="Chest =1+1 <b>x</b>"):
    next(box for box in app.text_input if box.label == "Title").set_value(title)
    next(box for box in app.text_input if box.label == "Planned by").set_value("Dr Blue")
    app.text_area[0].set_value(readers)
    next(box for box in app.selectbox if box.label == "Cases").set_value(10)
    app.multiselect[0].set_value(list(arms))
    app.number_input[0].set_value(days)
    return press(app, "Plan the study")


@pytest.fixture
def study(trained, empty, cohort, even, open_page):
    """A trial of ten cases, half of them with the finding, two readers and all arms, planned on the page."""
    app = plan_on_page(open_page("cases", finding=even, mode="readers", epsilon="8"))
    assert not app.exception and not app.error
    [study] = empty.arm_studies.of(cohort.fingerprint)
    assert app.query_params["study"] in (study.study_id, [study.study_id])
    return study


def made_up_study_of(cohort):
    """A study of a wash-out with one reader who signs on, on cases of the cohort."""
    cases = tuple(cohort.cases["case_id"].iloc[:12])
    return made_up_study(fingerprint=cohort.fingerprint, finding=FINDING, readers=(WHO,), cases=cases)


def join(app, reader):
    next(box for box in app.selectbox if box.label == "Who are you?").set_value(reader)
    return press(app, "Join")


def answer(app, present, sure, place):
    app.radio[0].set_value("Present" if present else "Absent")
    app.radio[1].set_value(sure)
    return press(app, f"Record answer {place} of 10")


def labels_of(buttons):
    return [button.label for button in buttons]


def test_a_study_is_planned_with_the_models_at_the_axis(study, empty, trained, cohort, open_page):
    assert (study.readers, study.arms, study.wash_out_days, len(study.cases)) == (("Ada", "Bo"), ARMS, 0, 10)
    assert (study.models["private"].run_id, study.models["without privacy"].run_id) == (trained[True], trained[False])
    stored = empty.runs.scores(trained[True]).query("finding == @study.finding").set_index("case_id")["score"]
    assert study.models["private"].scores == pytest.approx(tuple(stored.loc[list(study.cases)]))
    assert study.models["private"].guarantee == empty.runs.result(trained[True]).guarantee.sentence()
    line = open_studies(open_page, epsilon="8").dataframe[0].value.iloc[0]
    assert (line["Study"], line["State"], line["Readers"]) == ("Chest =1+1 <b>x</b>", "0 of 60 answers", 2)


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"readers": ""}, "0 are named"), ({"title": " "}, "title has 1"), ({"arms": ("unaided",)}, "at least two of the arms")],
)
def test_what_cannot_be_planned_is_said_and_nothing_is_stored(changes, said, empty, trained, cohort, open_page):
    app = plan_on_page(open_studies(open_page, epsilon="8"), **changes)
    assert not app.exception and said in texts(app) and empty.arm_studies.of(cohort.fingerprint) == []


def test_a_reader_reads_a_session_with_its_aids_and_nothing_else_and_resumes(study, empty, cohort, open_page):
    app = join(open_studies(open_page, study), "Ada")
    assert "Session 1 of 3 is yours now" in texts(app)
    app = press(app, "Begin session 1")
    planned = study.session("Ada", 1)
    for number, reading in enumerate(planned, start=1):
        assert f"{number - 1} of 10 cases answered" in texts(app) and not app.exception
        shown = "\n".join(line for line in texts(app).split("\n") if "Spent on these patients" not in line)
        aid = study.aid(reading.case_id, reading.arm)
        said = re.findall(r"Score of a model: (0\.\d{3}), (positive|negative) at its threshold of (0\.\d{3})", shown)
        if aid is None:
            assert not re.search(r"\d\.\d\d|ε|[Ss]core", shown)
        else:
            assert said == [(f"{aid.score:.3f}", "positive" if aid.is_positive else "negative", f"{aid.threshold:.3f}")]
        assert not re.search(r"Label:|rivate|ithout privacy|ε", shown) and not has_tables(app)
        app = answer(app, number % 2 == 0, 1 + number % 4, number)
        if number == 4:  # the browser is closed; whoever comes back says who they are
            app = join(open_studies(open_page, study), "Ada")
    assert empty.arm_studies.state(study).of("Ada").session == 2
    assert "It follows at once, because this study has no wash-out" in texts(app) and "Begin session 2" in labels_of(app.button)


@pytest.mark.parametrize("mode", ["worklist", "upload", "reader-study"])
def test_an_open_session_keeps_labels_and_scores_closed(mode, study, empty, open_page):
    app = press(join(open_studies(open_page, study), "Ada"), "Begin session 1")
    app.query_params["mode"] = mode
    app.query_params["epsilon"] = "8"
    app.run()
    assert not app.get("button_group") and "0 of 10 cases answered" in texts(app) and not app.dataframe
    app.query_params.pop("study")
    app.run()
    assert not app.get("button_group") and "0 of 10 cases answered" in texts(app) and "All studies" not in labels_of(app.button)
    # Another browser that only has the address may be the reader's: it asks who they are before it shows anything.
    other = open_page("cases", finding=FINDING, mode=mode, study=study.study_id)
    assert not other.get("button_group") and "Who are you?" in [box.label for box in other.selectbox]
    assert "All studies" in labels_of(other.button)  # or whoever planned it
    read_session(empty.arm_studies, study, "Ada")
    app.run()
    assert app.get("button_group")


def test_a_wash_out_is_said_and_a_session_is_not_offered_in_it(trained, empty, cohort, open_page):
    plan_on_page(open_studies(open_page, epsilon="8"), days=28)
    [study] = empty.arm_studies.of(cohort.fingerprint)
    read_session(empty.arm_studies, study, "Ada")
    app = join(open_studies(open_page, study), "Ada")
    assert "Session 2 of 3 may begin on 2" in texts(app) and "28 days after your last answer" in texts(app)
    assert not [label for label in labels_of(app.button) if label.startswith("Begin")]
    assert app.dataframe[0].value["State"].str.startswith("wash-out until").tolist() == [True, False]


def test_when_all_is_read_arms_are_compared_and_ratings_can_be_taken_home(study, empty, cohort, open_page):
    for _ in study.arms:
        for reader in study.readers:
            read_session(empty.arm_studies, study, reader)
    app = open_studies(open_page, study)
    said = texts(app)
    assert not app.exception and "For readers and cases like these, the mean AUROC" in said.replace("\\", "")
    assert "There was no wash-out" in said
    [figure] = figures(app)
    assert "Private model: one training run, ε = 8 at δ" in figure["layout"]["title"]["subtitle"]["text"].replace("<br>", " ")
    assert set(app.dataframe[0].value["Arm"]) == {"No model", "Private model", "Model without privacy"} and len(app.dataframe[1].value) == 9
    assert labels_of(app.get("download_button")) == ["Ratings (CSV)", "Ratings for iMRMC"]


def test_an_early_end_needs_a_reason_and_is_shown_with_it(study, empty, open_page):
    for _ in study.arms:
        read_session(empty.arm_studies, study, "Ada")
    app = open_studies(open_page, study)
    app.text_input[0].set_value("Dr Blue")
    app = press(app, "End for good")
    assert "why" in texts(app) and not empty.arm_studies.state(study).is_over
    app.text_input[0].set_value("Dr Blue")
    app.text_area[0].set_value("Bo left <b>us</b>")
    app = press(app, "End for good")
    said = texts(app).replace("\\", "")
    assert "by Dr Blue, with 30 of 60 answers" in said and "Reason: Bo left" in said and "Left out" in said
    assert "One reader shows nothing about other readers" in said


def test_who_signed_on_reads_without_being_asked_and_stays_closed_out_between_sessions(signed_on, trained, empty, cohort):
    study = empty.arm_studies.add(made_up_study_of(cohort))
    app = signed_on("cases", Role.READER, mode="readers", study=study.study_id, finding=FINDING)
    assert (
        not app.exception
        and "Session 1 of 3 is yours now" in texts(app).replace("\\", "")
        and not app.selectbox[-1].label.startswith("Who")
    )
    assert "End for good" not in labels_of(app.button)
    read_session(empty.arm_studies, study, WHO)
    app = signed_on("cases", mode="worklist", finding=FINDING)
    assert not app.get("button_group") and "Session 2 of 3 may begin on" in texts(app)


def test_who_may_not_plan_is_offered_no_form(signed_on, trained, cohort):
    app = signed_on("cases", Role.READER, mode="readers", finding=FINDING)
    assert "No study with several readers yet" in texts(app) and "Plan the study" not in labels_of(app.button)
    other = signed_on("cases", Role.RESEARCHER, mode="readers", finding=FINDING, epsilon="8")
    assert "Plan the study" in labels_of(other.button)


def test_a_study_of_another_cohort_is_reported(trained, cohort, open_page):
    assert "does not exist for this cohort" in texts(open_page("cases", finding=FINDING, mode="readers", study="0" * 16, epsilon="8"))
