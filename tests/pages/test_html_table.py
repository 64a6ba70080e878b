"""Small tables as HTML: what stands in them is text, whoever wrote it; numbers stand right, and rows and columns have names."""

import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd

from tests.pages.html_tables import parsed
from widgets.html_table import LONG, frame_as_html

FOREIGN = "<img src=x onerror=alert(1)> & *mass* \"'\u202e"


def test_what_others_wrote_is_text_in_names_and_cells():
    html = frame_as_html(pd.DataFrame({FOREIGN: [FOREIGN], "b": [FOREIGN]}), FOREIGN)
    assert "<img" not in html and "\u202e" not in html
    (table,) = parsed(html)
    assert table.columns[0].startswith("<img src=x onerror=alert(1)> & *mass* \"'") and table.iloc[0, 1] == table.columns[0]


def test_numbers_are_grouped_and_stand_right_and_missing_ones_are_empty():
    table = pd.DataFrame({"of": ["a", "b"], "n": np.array([1234567, 2]), "text": ["x", np.nan]})
    html = frame_as_html(table, "Counts")
    assert parsed(html)[0].to_numpy().tolist() == [["a", "1,234,567", "x"], ["b", "2", ""]]
    cells = list(ET.fromstring(f"<page>{html}</page>").iter("td"))
    assert ["right" in cell.get("style", "") for cell in cells] == [True, False, True, False]


def test_rows_and_columns_have_names_for_screen_readers_and_the_keyboard_scrolls():
    page = ET.fromstring(f"<page>{frame_as_html(pd.DataFrame({'a': ['x'], 'b': ['y']}), 'Both')}</page>")
    region = page.find("div")
    assert [region.get(name) for name in ("role", "tabindex", "aria-label")] == ["region", "0", "Both"]
    assert [(head.get("scope"), head.text) for head in page.iter("th")] == [("col", "a"), ("col", "b"), ("row", "x")]


def test_long_words_have_room_and_short_ones_stand_in_one_line():
    html = frame_as_html(pd.DataFrame({"a": ["x"], "b": ["y" * (LONG + 1)], "c": ["0.140 (0.022 to 0.267)"]}), "")
    styles = [cell.get("style", "") for cell in ET.fromstring(f"<page>{html}</page>").iter("td")]
    assert [("min-width" in style, "nowrap" in style) for style in styles] == [(True, False), (False, True)]


def test_what_stands_below_a_long_table_stays_near():
    region = ET.fromstring(f"<page>{frame_as_html(pd.DataFrame({'a': range(100)}), 'Long')}</page>").find("div")
    assert "max-height" in region.get("style") and "overflow: auto" in region.get("style")


def test_the_row_that_the_page_is_about_is_bold_alone():
    rows = ET.fromstring(f"<page>{frame_as_html(pd.DataFrame({'finding': ['mass', 'nodule'], 'n': [1, 2]}), 'x', marked='nodule')}</page>")
    bold = [["font-weight: 700" in cell.get("style", "") for cell in row] for row in rows.iter("tr")]
    assert bold == [[False, False], [False, False], [True, True]]


def test_a_tuple_of_texts_breaks_its_line_between_them_alone():
    html = frame_as_html(pd.DataFrame({"finding": ["mass", "<b>"], "score": [("0.344", "(1 of <3)"), ("–", "")]}), "x")
    cells = ET.fromstring(f"<page>{html}</page>").findall(".//td")
    assert ["".join(one.itertext()) for one in cells] == ["0.344 (1 of <3)", "–"]
    assert all("nowrap" not in one.get("style", "") and all("nowrap" in part.get("style", "") for part in one) for one in cells)
