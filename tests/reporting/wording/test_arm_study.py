"""A study with several readers and arms in sentences, and its figure."""

import pytest

from dpmed_core.reader_study.arm_study.progress import Answered, EarlyEnd, StudyState, reader_progress
from dpmed_core.reader_study.arm_study.results import StudyResults
from dpmed_core.reader_study.multi_reader.comparison import compare
from dpmed_core.reader_study.multi_reader.ratings import Ratings
from dpmed_core.reporting.figures.arms import arms_figure
from dpmed_core.reporting.wording.arm_study import (
    figure_facts,
    guarantee_sentences,
    progress_in_words,
    result_sentences,
    study_sentences,
    study_state_phrase,
    turn_sentence,
)
from tests.reader_study.arm_study_data import made_up_study
from tests.reader_study.multi_reader_data import drawn_ratings

DAY = 86_400.0
ENDED = 1_800_000_000.0


def progress(study, reader="Ada", begun=(), answered=None):
    return reader_progress(study, reader, begun, answered or {})


def of_own_arms(n_readers=3) -> Ratings:
    drawn = drawn_ratings(3, n_readers)
    return Ratings(("private", "without privacy", "unaided"), drawn.readers, drawn.cases, drawn.values, drawn.positive)


def test_a_study_says_arms_cases_and_wash_out():
    cases, sessions = study_sentences(made_up_study())
    assert cases == "Mass: 2 readers, 12 test patients with one image each, half with the finding as far as possible."
    assert "once with the private model, with the model without privacy and without a model; 28 days of wash-out" in sessions
    cases, sessions = study_sentences(made_up_study(wash_out_days=0, balanced=False, readers=("Ada",)))
    assert "1 reader" in cases and "in the cohort's proportion" in cases and "may remember cases: a trial" in sessions


@pytest.mark.parametrize(
    ("begun", "answered", "days", "said", "state"),
    [
        ((), {}, 0, "Session 1 of 3 is yours now: 12 cases.", "may begin"),
        ((1,), {1: Answered(4, ENDED)}, 0, "Session 1 of 3: 4 of 12 cases answered.", "reading"),
        ((1,), {1: Answered(12, ENDED)}, 27.9, "may begin on 2027-02-12 08:00 UTC: 28 days after your last answer", "wash-out until 2027"),
        ((1,), {1: Answered(12, ENDED)}, 28, "Session 2 of 3 is yours now: 12 cases.", "may begin"),
        ((1, 2, 3), {n: Answered(12, ENDED) for n in (1, 2, 3)}, 0, "You have read all your sessions", "all read"),
    ],
)
def test_a_reader_is_told_whose_turn_it_is(begun, answered, days, said, state):
    study, now = made_up_study(), ENDED + days * DAY
    mine = progress(study, "Ada", begun, answered)
    assert said in turn_sentence(study, mine, now)
    table = progress_in_words(study, StudyState((mine, progress(study, "Bo")), None), now)
    assert table["State"][0].startswith(state) and table["State"][1] == "may begin"


def test_how_a_study_ended_and_who_is_left_out_is_said():
    study = made_up_study(wash_out_days=0)
    end = EarlyEnd(ENDED, "Dr Blue", "Bo left", 36)
    state = StudyState((progress(study), progress(study, "Bo")), end)
    said = result_sentences(study, state, StudyResults(None, compare(of_own_arms(1)), ("Bo",)))
    assert said[0] == "Ended early on 2027-01-15 08:00 UTC by Dr Blue, with 36 of 72 answers. Reason: Bo left"
    assert "Left out, because they did not read every case in every arm: Bo." in said[1] and "no wash-out" in said[2]
    assert "not compared" in result_sentences(study, state, StudyResults(None, None, ("Ada", "Bo")))[1]
    assert study_state_phrase(study, state) == "ended early with 36 of 72 answers"
    assert guarantee_sentences(study)[0].startswith("Private model: one training run, ε = 8 at δ = 1e-05.")
    assert guarantee_sentences(made_up_study(arms=("without privacy", "unaided"), models={})) == []


def test_the_figure_shows_means_intervals_and_every_reader_and_is_told_by_itself():
    study, comparison = made_up_study(), compare(of_own_arms())
    figure = arms_figure(comparison, title="t", facts=figure_facts(study, comparison, "Synthetic cohort x"))
    arms = comparison.arms[comparison.arms["about"] == "readers and cases"]
    means, readers = figure.data[::2], figure.data[1::2]
    assert [mean.x[0] for mean in means] == arms["auroc"].tolist() and [len(one.x) for one in readers] == [3, 3, 3]
    assert [mean.x[0] - mean.error_x.arrayminus[0] for mean in means] == pytest.approx(arms["low"].tolist())
    assert [mean.x[0] + mean.error_x.array[0] for mean in means] == pytest.approx(arms["high"].tolist())
    assert figure.layout.yaxis.ticktext == ("Private model", "Model without privacy", "No model")
    assert "Synthetic cohort x: 3 readers, 40 test patients, 20 with the finding" in figure.layout.title.subtitle.text.replace("<br>", " ")


def test_with_one_reader_the_figure_is_about_that_reader():
    comparison = compare(of_own_arms(1))
    assert "for this reader on cases like these" in figure_facts(made_up_study(), comparison, "Cohort x")[1]
    of_cases = comparison.arms[comparison.arms["about"] == "cases"]
    figure = arms_figure(comparison, title="t", facts=["f"])
    assert [mean.x[0] - mean.error_x.arrayminus[0] for mean in figure.data[::2]] == pytest.approx(of_cases["low"].tolist())
