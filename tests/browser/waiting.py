"""What a test waits for before it clicks."""

import time

from playwright.sync_api import Page, expect

FIRST_WORDS = '[class*="st-key-words-"] + [data-testid="stElementContainer"] [data-testid="stMarkdownContainer"] p'
"""The words that the server writes for the chosen budget."""
LONGEST_SECONDS = 120


def settle(page: Page) -> None:
    """Waits until the page is drawn to its end: a click while it is drawn anew can be lost with the control that it was on."""
    page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for()
    # The server's words have given way to those that follow the axis.
    expect(page.locator(f"{FIRST_WORDS}:visible")).to_have_count(0)


def wait_until(page: Page, condition: str) -> None:
    """Waits until a JavaScript expression is true; Playwright's own waiting needs what the page's security policy forbids."""
    deadline = time.monotonic() + LONGEST_SECONDS
    while not page.evaluate(f"Boolean({condition})"):
        assert time.monotonic() < deadline, condition
        page.wait_for_timeout(50)
