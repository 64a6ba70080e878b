"""What a page answers first, made from its address alone, in no session: the words that stand in the document (`first_words.py`).

They are made by the functions that the page itself shows, from the same kept tables. There are none where the address says something that
they do not follow, where nothing is trained yet, and on pages that begin with a form.
"""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field

from dpmed_core.cohort.schema import Cohort, Part
from dpmed_core.evaluation.cases.worklist import EVERY, FACETS, SORTINGS
from dpmed_core.evaluation.metrics.auroc import AUROC
from dpmed_core.evaluation.metrics.catalogue import OFFERED
from dpmed_core.evaluation.tables.all_tables import EvaluationTables
from dpmed_core.privacy.meaning.most_images import most_images
from dpmed_core.reporting.choice import Choice
from dpmed_core.reporting.wording.first_glance import Tile
from dpmed_core.reporting.wording.training_state import training_sentence
from dpmed_core.training.recipes.catalogue import RECIPES
from dpmed_core.training.spec import PrivacyUnit
from widgets.address.state import ENTRY, MOVED
from widgets.analysis_plan import planned_tables, plans_of
from widgets.attributes import attribute_options
from widgets.budget import delta_in_words, first_epsilon, trained_budgets
from widgets.budget_control.first_words import Line
from widgets.cases.choice import ALL_PATIENTS, case_of, first_list, position
from widgets.cases.scores import scores_of
from widgets.cases.shown_case import ModelContext
from widgets.cases.view import answer_lines
from widgets.choices import DELTA, Choices, choices_in, delta_said, first_readable, start_in_address
from widgets.document.first_words import Place, words_as_html
from widgets.headings import HEADINGS
from widgets.lookup import installation, runs_of
from widgets.meeting.view import PAGE
from widgets.overview.tiles import Shown, first_tiles, group_tiles
from widgets.protection.budget_shown import BudgetShown, deltas_trained, finished_runs_of, trained_at
from widgets.protection.meaning import meaning_words
from widgets.review.reviews import ALL, REVIEW, lines_of_reviews, reviews_sentence
from widgets.sentences import fairness_lines, fairness_sentences, utility_lines, verdict_headlines
from widgets.status.checks import ALL_WELL, faults_found
from widgets.tables import tables_from

FIRST_PAGE = "overview"
SHARED = ("cohort", "finding", "recipe", "unit", "epsilon", DELTA, *map(start_in_address, RECIPES))
"""What every page's address may say."""
FIRST_LIST = {
    "mode": ["worklist"],
    "part": [Part.TEST.value],
    "by": [ALL_PATIENTS],
    "sort": [next(iter(SORTINGS))],
    **{facet: [EVERY] for facet in FACETS if facet != "subgroup"},
}
"""What the address of *Cases* says of the list where nobody has chosen."""


@dataclass(frozen=True)
class Answer:
    """An answer, and the budget that it is about: ε with its δ, unit and accountant; empty where it is about none."""

    parts: Sequence[Line | Tile]
    budget: str = ""


@dataclass(frozen=True)
class Opened:
    """A page that is opened in a session of its own: the cohort, the choices in the sidebar, and what else its address says."""

    cohort: Cohort
    choices: Choices
    said: Mapping[str, str]

    @property
    def delta(self) -> float | None:
        """The delta that the address says."""
        return delta_said(self.said.get(DELTA))

    def tables(self, cohort: Cohort, by: Sequence[str] = (), **how: object) -> EvaluationTables:
        """The tables that the page shows, as `tables.tables_of` gives them in a session."""
        return tables_from(cohort, by, start=self.choices.start, delta=self.delta, **how)  # type: ignore[arg-type]

    def epsilon_of(self, trained: Sequence[float]) -> float | None:
        """The trained budget that the page is opened at; None where there is none, or the address says one that is not trained."""
        chosen = self.said.get("epsilon") or (f"{first_epsilon(trained):g}" if trained else None)
        return next((epsilon for epsilon in trained if f"{epsilon:g}" == chosen), None)

    def trained(self, tables: EvaluationTables) -> list[float]:
        """The trained budgets of the chosen recipe and unit."""
        of_choice = Choice(recipe=self.choices.recipe, unit=self.choices.unit)
        return [] if tables.is_empty else trained_budgets(of_choice.rows(tables.runs))

    def at_budget(self, parts: Sequence[Line | Tile], epsilon: float, delta: float, accountant: str) -> Answer:
        """`parts`, which are about `epsilon`; at 0 nothing was learnt, so that there is nothing to account for."""
        by = f" ({accountant} accountant)" if epsilon else ""
        return Answer(parts, f"ε = {epsilon:g}, {delta_in_words(epsilon, delta, self.choices.unit)}{by}")

    def of_tables(self, parts: Sequence[Line | Tile], epsilon: float, tables: EvaluationTables) -> Answer:
        """`parts`, which are about `epsilon`, from `tables`."""
        of_choice = Choice(recipe=self.choices.recipe, unit=self.choices.unit).rows(tables.guarantees)
        guarantee = of_choice[of_choice["epsilon"] == epsilon].iloc[0]
        return self.at_budget(parts, epsilon, float(guarantee["delta"]), str(guarantee["accountant"]))

    def shown(self, epsilon: float, attribute: str | None = None) -> Choice:
        """What sentences are about."""
        chosen, metric = self.choices, self.said.get("metric", AUROC.name)
        return Choice(chosen.finding, chosen.recipe, chosen.unit, epsilon=epsilon, attribute=attribute, metric=metric)


def _of_tiles(page: Opened) -> Answer | None:
    of_plan = planned_tables(page.cohort, page.tables)
    trained = page.trained(of_plan)
    epsilon = page.epsilon_of(trained)
    if epsilon is None:
        return None
    shown = Shown(str(page.choices.recipe), str(page.choices.unit), str(page.choices.finding), epsilon, tuple(trained))
    if shown.rows(of_plan.auroc.costs, epsilon).empty:
        return None
    tiles = (*first_tiles(of_plan, page.tables(page.cohort), shown), group_tiles(of_plan, shown))
    return page.of_tables([of_budgets[epsilon] for of_budgets in tiles], epsilon, of_plan)


def _of_curve(page: Opened) -> Answer | None:
    tables = page.tables(page.cohort)
    trained = page.trained(tables)
    epsilon = page.epsilon_of(trained)
    if epsilon is None:
        return None
    return page.of_tables(utility_lines(tables, page.shown(epsilon), trained)[epsilon], epsilon, tables)


def _of_groups(page: Opened) -> Answer | None:
    options = attribute_options(page.cohort)
    attribute = page.said.get("attribute") or options[0]
    if attribute not in options:
        return None
    tables = page.tables(page.cohort, [attribute])
    trained = page.trained(tables)
    epsilon = page.epsilon_of(trained)
    if epsilon is None:
        return None
    shown, of_plan = page.shown(epsilon, attribute), planned_tables(page.cohort, page.tables)
    headlines = verdict_headlines(of_plan, shown, trained, reference=plans_of(page.cohort).plan.reference)
    return page.of_tables(fairness_lines(headlines, fairness_sentences(tables, shown, trained))[epsilon], epsilon, tables)


def _of_meaning(page: Opened) -> Answer | None:
    finished = finished_runs_of(page.cohort, page.choices)
    deltas = deltas_trained(finished)
    budgets = trained_at(finished, page.delta if page.delta in deltas else deltas[0]) if deltas else []
    by_epsilon: dict[float, BudgetShown] = {budget.target.epsilon: budget for budget in budgets}
    epsilon = page.epsilon_of(list(by_epsilon))
    if epsilon is None:
        return None
    budget = by_epsilon[epsilon]
    images = most_images(page.cohort) if budget.unit is PrivacyUnit.IMAGE and page.cohort.patients_known else 1
    return page.at_budget([meaning_words(budget, images)], epsilon, budget.target.delta, budget.accountant)


def _of_case(page: Opened) -> Answer | None:
    tables = page.tables(page.cohort)
    recipe, unit = str(page.choices.recipe), str(page.choices.unit)
    scores = None if tables.is_empty else scores_of(tables, recipe=recipe, unit=unit, part=Part.TEST)
    epsilon = page.epsilon_of(scores.epsilons) if scores else None
    if epsilon is None:
        return None
    context = ModelContext(page.cohort, Part.TEST, str(page.choices.finding), recipe, unit, epsilon, scores, tables.token)
    cases = first_list(context)
    link = page.said.get("case") or next(iter(cases.links), "")
    if link not in cases.findings:
        return None
    return page.of_tables([Line(position(cases, link)), *answer_lines(case_of(context, cases, link))], epsilon, tables)


def _of_training(page: Opened) -> Answer | None:
    runs = runs_of(page.cohort)
    return Answer([Line(training_sentence(status.state for status in runs))]) if runs else None


def _of_status(page: Opened) -> Answer | None:
    del page
    return Answer([Line(sentence, "headline") for sentence in faults_found() or [ALL_WELL]])


def _of_reviews(page: Opened) -> Answer | None:
    del page
    return Answer([Line(reviews_sentence(lines_of_reviews()))])


@dataclass(frozen=True)
class FirstAnswer:
    """The first answer of a page.

    Attributes:
        answer: what it is.
        place: where it stands on the page.
        follows: names in the address, besides the shared ones, that it follows or that change nothing of it.
        only: further names, and the values with which they may be there.
    """

    answer: Callable[[Opened], Answer | None]
    place: Place = Place.TOP
    follows: tuple[str, ...] = ()
    only: Mapping[str, Container[str]] = field(default_factory=dict)

    def is_for(self, said: Mapping[str, str]) -> bool:
        """Whether the page begins with it at an address that says `said`."""
        return all(name in (*SHARED, *self.follows) or value in self.only.get(name, ()) for name, value in said.items())


FIRST_ANSWERS = {
    "overview": FirstAnswer(_of_tiles, Place.AXIS),
    "meeting": FirstAnswer(_of_tiles, Place.AXIS, only={"view": [PAGE]}),
    "privacy_utility": FirstAnswer(_of_curve, Place.AXIS, follows=("prevalence", "detail", "margin"), only={"metric": OFFERED}),
    "fairness": FirstAnswer(_of_groups, Place.AXIS, follows=("attribute",), only={"metric": OFFERED}),
    "privacy": FirstAnswer(_of_meaning, Place.AXIS),
    # In a session that begins here nobody reads: an open reading has its name in the address.
    "cases": FirstAnswer(_of_case, Place.BESIDE, follows=("case",), only=FIRST_LIST),
    "train": FirstAnswer(_of_training),
    "status": FirstAnswer(_of_status),
    "review": FirstAnswer(_of_reviews, only={REVIEW: [ALL]}),
}
"""By page; none for those that begin with a form."""


def first_words(part: str, address: Mapping[str, str]) -> str:
    """The first words of a page, as HTML; empty where it has none.

    Args:
        part: the page's own part of the address; empty for the page that opens first.
        address: what the address says, by name.

    Raises:
        DpmedError: the page says what is wrong.
    """
    page = part or FIRST_PAGE
    if page not in FIRST_ANSWERS:
        return ""
    answer = first_answer(page, address)
    return words_as_html(HEADINGS[page], answer.parts, FIRST_ANSWERS[page].place, answer.budget) if answer is not None else ""


def first_answer(page: str, address: Mapping[str, str]) -> Answer | None:
    """What `page` answers first where a session begins at `address`; None where it has no such answer."""
    said = {name: value for name, value in address.items() if name not in (ENTRY, MOVED)}
    answer = FIRST_ANSWERS[page]
    if not answer.is_for(said):
        return None
    names = installation().cohorts.names()
    name = said.get("cohort") or first_readable(names)
    if name not in names:
        return None
    cohort = installation().cohorts.load(name)
    choices = choices_in(cohort, said)
    return answer.answer(Opened(cohort, choices, said)) if choices is not None else None
