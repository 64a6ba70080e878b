"""What the document of a page says first is what the page then says, at whichever address; where that is not known, it says nothing."""

import html

import pandas as pd
import pytest

from dpmed_core.errors import CohortError
from dpmed_core.evaluation.metrics.auroc import AUROC
from dpmed_core.foreign_text import plain
from dpmed_core.reporting.wording.first_glance import Tile
from dpmed_core.reporting.wording.utility import utility_sentence
from dpmed_core.training.spec import PrivacyUnit
from tests.pages.test_overview import store, train
from widgets.document.first_answers import FIRST_ANSWERS, first_answer, first_words
from widgets.headings import HEADINGS
from widgets.review.reviews import reviews_sentence

OF_BUDGETS = ("overview", "meeting", "privacy_utility", "fairness", "privacy", "cases")


@pytest.fixture
def cohort(empty):
    return store(empty)


@pytest.fixture
def trained(empty, cohort, finish):
    return train(empty, cohort, finish)


def on_page(app) -> str:
    """All that the page itself says, as Streamlit is given it."""
    assert not app.exception and not app.error
    metrics = [text for metric in app.metric for text in (metric.label, metric.value)]
    return "\n".join([app.title[0].value, *(str(said.value) for kind in (app.markdown, app.success) for said in kind), *metrics])


def words_of(answer) -> list[str]:
    """Every piece of an answer that a page writes in one piece."""
    pieces = []
    for part in answer.parts:
        pieces += [part.title, part.value, part.beside, part.verdict, *part.lines] if isinstance(part, Tile) else [part.text]
    return [piece for piece in pieces if piece]


def unsaid(answer, said: str) -> list[str]:
    """What of an answer the page does not say."""
    return [piece for piece in words_of(answer) if plain(piece) not in said and piece not in said]


@pytest.mark.parametrize("page", FIRST_ANSWERS)
def test_the_document_says_what_the_page_says(trained, cohort, open_page, page):
    answer = first_answer(page, {})
    said = on_page(open_page(page))
    assert words_of(answer) and unsaid(answer, said) == []
    assert answer.budget == ("ε = 1, δ = 1e-05 for each patient (analytic-gaussian accountant)" if page in OF_BUDGETS else "")
    markup = html.unescape(first_words("" if page == "overview" else page, {}))
    assert HEADINGS[page] in markup and answer.budget in markup and all(piece in markup for piece in words_of(answer))


@pytest.mark.parametrize(
    ("page", "address"),
    [
        ("overview", {"epsilon": "8", "finding": "effusion"}),
        ("meeting", {"epsilon": "8", "view": "page"}),
        ("privacy_utility", {"epsilon": "8", "finding": "cardiomegaly", "metric": "auprc", "detail": "roc", "margin": "0.05"}),
        ("fairness", {"epsilon": "8", "finding": "effusion", "attribute": "copd", "metric": "brier"}),
        ("privacy", {"epsilon": "8"}),
        ("cases", {"epsilon": "8", "finding": "effusion"}),
    ],
)
def test_it_follows_the_address(trained, cohort, open_page, page, address):
    answer, first = first_answer(page, address), first_answer(page, {})
    said = on_page(open_page(page, **address))
    assert unsaid(answer, said) == []
    assert words_of(answer) != words_of(first) and answer.budget.startswith("ε = 8, ")


def test_an_address_that_a_page_has_written_has_first_words_again(trained, cohort, open_page):
    """Each page writes its choices into its address: a reload must not lose the words."""
    for page in FIRST_ANSWERS:
        written = open_page(page).query_params
        assert len(written) > 5
        assert words_of(first_answer(page, written)) == words_of(first_answer(page, {})), page


def test_a_case_in_the_address_is_the_one_that_is_answered(trained, cohort, open_page):
    app = open_page("cases")
    next(button for button in app.button if button.label == "Next").click().run()
    written = app.query_params
    answer = first_answer("cases", written)
    assert answer.parts[0].text.startswith("Case 2 of") and answer.parts[0].text in on_page(app) and answer.parts[1].text in on_page(app)


@pytest.mark.parametrize(
    ("page", "address"),
    [
        *((page, {"epsilon": "3"}) for page in OF_BUDGETS),
        *((page, {"cohort": "elsewhere"}) for page in OF_BUDGETS),
        *((page, {"anything": "else"}) for page in FIRST_ANSWERS),
        ("overview", {"finding": "mass"}),
        ("overview", {"recipe": "none"}),
        ("overview", {"unit": "ward"}),
        ("overview", {"start": "nowhere"}),
        ("overview", {"unit": "image"}),
        ("fairness", {"attribute": "shoe size"}),
        ("fairness", {"attribute": "age:40/65"}),
        ("privacy_utility", {"metric": "luck"}),
        ("meeting", {"view": "presenter"}),
        ("cases", {"mode": "readers"}),
        ("cases", {"reading": "0123456789abcdef"}),
        ("cases", {"study": "0123456789abcdef"}),
        ("cases", {"part": "validation"}),
        ("cases", {"truth": "present"}),
        ("cases", {"case": "0123456789abcdef"}),
        ("review", {"review": "0123456789abcdef"}),
    ],
)
def test_it_says_nothing_where_the_address_says_what_it_does_not_follow(trained, cohort, page, address):
    assert first_answer(page, address) is None


def test_pages_that_begin_with_a_form_and_unknown_ones_have_no_first_words(trained, cohort):
    assert [first_words(part, {}) for part in ("import", "people", "nowhere", "..", "static")] == [""] * 5


@pytest.mark.parametrize("page", [page for page in FIRST_ANSWERS if page not in ("status", "review")])
def test_before_anything_is_trained_it_says_nothing(empty, cohort, open_page, page):
    assert first_answer(page, {}) is None
    assert not open_page(page).exception


def test_an_empty_installation_has_no_first_words(empty):
    assert [first_words(page, {}) for page in FIRST_ANSWERS] == [""] * len(FIRST_ANSWERS)


def test_models_without_a_reference_have_no_tiles(empty, cohort, finish):
    train(empty, cohort, finish, only=lambda spec: spec.privacy)
    assert first_answer("overview", {}) is None and first_answer("privacy_utility", {}) is not None


def test_where_only_images_are_protected_it_says_so(empty, cohort, finish, open_page):
    train(empty, cohort, finish, unit=PrivacyUnit.IMAGE)
    answer = first_answer("privacy", {})
    assert (
        answer.budget == "ε = 1, δ = 1e-05 for each image (analytic-gaussian accountant)"
        and answer.parts[0].verdict == "Only single images are protected:"
    )
    said = on_page(open_page("privacy"))
    assert unsaid(answer, said) == []


def test_of_several_deltas_it_takes_the_one_that_the_page_takes(empty, cohort, finish, open_page):
    for delta in (1e-5, 1e-6):
        train(empty, cohort, finish, delta=delta)
    for address in ({}, {"delta": "1e-05"}, {"delta": "1e-06"}):
        for page in ("overview", "privacy_utility", "privacy"):
            answer, said = first_answer(page, address), on_page(open_page(page, **address))
            assert unsaid(answer, said) == [], (page, address)
    assert first_answer("overview", {"delta": "many"}) == first_answer("overview", {}), "the page says what is wrong, and shows the same"


def test_a_cohort_that_cannot_be_read_is_said_by_the_page(empty, trained, cohort):
    (empty.cohorts.root / cohort.name / "cohort.json").write_text("{")
    with pytest.raises(CohortError):
        first_words("fairness", {"cohort": cohort.name})


def test_reviews_are_counted_with_those_that_are_open():
    lines = [("a", {"State": "open"}), ("b", {"State": "closed"}), ("c", {"State": "not genuine"})]
    assert [reviews_sentence(lines[:n]) for n in (0, 1, 3)] == [
        "No review yet: open the first one below.",
        "1 review, 1 of them open.",
        "3 reviews, 1 of them open.",
    ]


def test_counts_of_many_cases_have_separators():
    row = {"recipe": "probe", "unit": "patient", "finding": "macro", "epsilon": 1.0, "n_seeds": 2, "n_distinct": 2}
    counts = {"n_cases": 39809, "n_patients": 19905, "n_positive": 47949}
    means = pd.DataFrame([{**row, **counts, **dict.fromkeys(AUROC.columns, 0.7)}])
    said = utility_sentence(means, metric=AUROC, recipe="probe", unit="patient", finding="macro", epsilon=1.0)
    assert "39,809 test images of 19,905 patients, 47,949 positive labels" in said
