"""The page Status: as things are, without a patient."""

import json

from dpmed_core.settings import load_settings
from tests.pages.html_tables import copied_texts, html_numbers, html_tables
from tests.pages.test_pages import texts


def test_a_quiet_installation_works_and_says_where_its_data_lie(empty, cohort, open_page):
    page = open_page("status")
    assert not page.exception and "Everything works" in page.success[0].value
    numbers = html_numbers(page)
    assert [numbers[title][0] for title in ("Engine", "Runs in training", "Runs queued")] == ["not running", "0", "0"]
    assert str(empty.settings.data_dir) in copied_texts(page)


def test_work_that_nobody_takes_is_an_error_with_what_to_do(empty, asked, open_page):
    page = open_page("status")
    assert "There is work, and no engine takes it. See engine/engine.log" in page.error[0].value.replace("\\", "")
    assert html_numbers(page)["Runs queued"][0] == str(len(asked))


def test_the_last_faults_are_listed(empty, open_page):
    folder = load_settings().engine_dir
    folder.mkdir(parents=True, exist_ok=True)
    line = {"time": "2026-11-29T02:00:00.000Z", "level": "WARNING", "process": "engine", "message": "<b>no space</b>"}
    (folder / "engine.log").write_text(json.dumps(line) + "\n")
    page = open_page("status")
    [table] = [table for table in html_tables(page) if "Message" in table]
    assert list(table["Message"]) == ["<b>no space</b>"]
    assert "None in the logs." not in texts(page)
