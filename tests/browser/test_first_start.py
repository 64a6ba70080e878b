import re

import pytest
from playwright.sync_api import expect

from dpmed_core.demo import PROBE_EPSILONS
from dpmed_core.installation import Installation

LONGEST = 300_000
"""Milliseconds that a loaded machine may take; nothing here measures speed."""
pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_a_first_start_needs_no_clicks_and_a_second_trains_nothing(dashboard, browser, page):
    """Empty data folder, then: the demo appears, the curve fills in without reloading, the slider moves, a deep link works at once."""
    dashboard.start()
    page.goto(dashboard.url)
    expect(page.get_by_text("Synthetic").first).to_be_visible(timeout=LONGEST)
    page.get_by_role("link", name="Privacy and utility").click()
    expect(page.get_by_role("heading", name="Privacy and utility")).to_be_visible()
    page.evaluate("window.neverReloaded = true")
    expect(page.locator(".js-plotly-plot").first).to_be_visible(timeout=LONGEST)
    slider = page.get_by_role("slider")
    expect(slider).to_be_visible(timeout=LONGEST)
    runs = Installation.open(dashboard.settings).runs
    # Seed by seed: once 10 of the 30 models are finished, there is one of each budget.
    expect(page.get_by_text(re.compile(r"^(1?\d|20) models? (is|are) still to come|Every requested model is finished"))).to_be_visible(
        timeout=LONGEST
    )
    assert page.evaluate("window.neverReloaded")

    # The slider stands at 1, or lower where the page was drawn before the models of 1 were trained.
    sentence = page.get_by_text(re.compile(r"^At ε = [\d.]+, AUROC")).inner_text()
    epsilon = float(sentence.removeprefix("At ε = ").split(",")[0])
    following = PROBE_EPSILONS[PROBE_EPSILONS.index(epsilon) + 1]
    assert epsilon <= 1
    slider.press("ArrowRight")
    expect(page.get_by_text(f"At ε = {following:g},")).to_be_visible(timeout=LONGEST)
    page.wait_for_url(re.compile(f"epsilon={following:g}(&|$)"), timeout=LONGEST)

    dashboard.kill()
    asked = runs.statuses()
    finished = {status.run_id for status in asked if status.state == "finished"}
    assert len(finished) >= 10
    dashboard.start()
    page.goto(f"{dashboard.url}/privacy_utility?cohort=demo-radiograph&finding=cardiomegaly&epsilon=3")
    expect(page.get_by_text("At ε = 3, AUROC for cardiomegaly")).to_be_visible(timeout=LONGEST)
    expect(page.get_by_role("link", name="Train", exact=True)).to_be_visible()
    for run_id in finished:
        assert [event["event"] for event in runs.attempts(run_id)].count("started") == 1
    assert len(Installation.open(dashboard.settings).cohorts.names()) == 1
