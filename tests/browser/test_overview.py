"""Overview in a real browser: few words before the fold, tiles that lead on, and on a narrow screen one column with a table for the map."""

import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from playwright.sync_api import expect

from dpmed_core.cohort.schema import Part
from dpmed_core.cohort.split import assign_parts
from dpmed_core.installation import Installation
from dpmed_core.runs.plan import plan_runs
from dpmed_core.runs.status import Progress, RunState
from dpmed_core.training.recipes.train_probe import plan_probe
from dpmed_core.training.result import RunResult, TrainedModel
from dpmed_core.training.scores import held_out_rows, scores_table
from dpmed_core.training.spec import PrivacyUnit
from tests.browser.waiting import settle
from tests.pages.test_overview import store

pytestmark = pytest.mark.browser
WORDS = r"""() => {
  const words = [], nodes = document.createTreeWalker(document.querySelector('[data-testid="stMain"]'), NodeFilter.SHOW_TEXT);
  for (let node = nodes.nextNode(); node; node = nodes.nextNode()) {
    const range = document.createRange();
    range.selectNodeContents(node);
    const box = range.getBoundingClientRect();
    const isSeen = box.width > 1 && box.height > 1 && box.top < innerHeight && !node.parentElement.closest('style, svg');
    if (isSeen && node.parentElement.dataset.testid !== 'stIconMaterial') words.push(...node.textContent.match(/\p{L}{2,}/gu) ?? []);
  }
  return words.length;
}"""
"""The words that the page says before the fold, without the labels in its figures."""


@pytest.fixture(scope="module")
def served(own_dashboard):
    """A cohort with two runs at each of two budgets and two references, whose scores are made up."""
    here = Installation.open(own_dashboard.settings)
    cohort = store(here)
    specs = plan_runs(cohort, key=here.key, recipe="probe", epsilons=[1.0, 8.0], n_seeds=2, delta=None, unit=PrivacyUnit.PATIENT)
    here.ledger.ask(cohort, specs)
    split = assign_parts(cohort, seed=0, key=here.key)
    held_out, n_units = held_out_rows(split), cohort.cases["patient_id"][split.parts == Part.TRAIN.value].nunique()
    for number, spec in enumerate(specs):
        scores = 0.3 * cohort.labels[held_out] + 0.7 * np.random.default_rng(number).random((len(held_out), 2))
        guarantee = plan_probe(spec, n_units=n_units, n_findings=2).guarantee
        result = RunResult(spec, guarantee, elapsed_seconds=1.0, n_parameters=8, n_train_cases=n_units, n_train_units=n_units)
        model = TrainedModel(result, scores_table(cohort, split, scores), {"weights": np.zeros((2, 4))})
        here.runs.finish(here.runs.run_id(spec), model)
        here.runs.set_progress(here.runs.run_id(spec), replace(Progress(RunState.FINISHED), step=40, total_steps=40, attempt=1))
    own_dashboard.start()
    return own_dashboard


def opened(page, served):
    page.goto(f"{served.url}/?cohort=ward&epsilon=8")
    expect(page.get_by_role("link", name="Groups")).to_be_visible()
    settle(page)
    return page


def test_before_the_fold_it_answers_in_at_most_120_words(served, page):
    page.set_viewport_size({"width": 1440, "height": 900})
    opened(page, served)
    for answer in ("Cost, mean of 2 findings", "AUROC by budget", "Who loses what"):
        heading = page.get_by_role("heading", name=answer, level=2)
        assert heading.bounding_box()["y"] < 900
    assert 40 < page.evaluate(WORDS) <= 120
    levels = page.eval_on_selector_all("h1, h2, h3, h4, h5, h6", "found => found.map(heading => Number(heading.tagName[1]))")
    assert levels[0] == 1 and levels.count(1) == 1 and all(then - now <= 1 for now, then in pairwise(levels))
    expect(page.locator(".st-key-map-picture .js-plotly-plot")).to_be_visible()
    expect(page.locator(".st-key-map-cells")).to_be_hidden()


def test_the_tile_of_the_groups_opens_fairness_by_the_attribute_of_the_group(served, page):
    opened(page, served)
    page.get_by_role("link", name="Groups").click()
    expect(page.get_by_role("heading", name="Fairness", level=1)).to_be_visible()
    expect(page.get_by_role("heading", level=2).first).to_be_visible()
    # The group of this cohort that loses most is one of age, and not of the page's first attribute.
    expect(page).to_have_url(re.compile(r"attribute=age(&|$)"))


def test_on_a_narrow_screen_tiles_stand_one_under_another_and_the_map_is_a_table(served, page):
    page.set_viewport_size({"width": 420, "height": 900})
    opened(page, served)
    tiles = [page.get_by_role("link", name=name).bounding_box() for name in ("Budgets", "Finding", "Groups")]
    assert len({round(tile["x"]) for tile in tiles}) == 1 and tiles[0]["y"] < tiles[1]["y"] < tiles[2]["y"]
    table = page.get_by_role("region", name="AUROC with privacy minus without, by group and finding")
    expect(table.get_by_role("rowheader", name="Without COPD")).to_be_visible()
    expect(page.locator(".st-key-map-picture")).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth") <= 420
