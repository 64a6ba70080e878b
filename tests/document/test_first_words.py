"""First words as HTML: what the answer says, as text whatever it contains, for eyes alone."""

import html
import re

import pytest

from dpmed_core.reporting.wording.first_glance import Tile
from tests.foreign_strings import foreign_strings
from widgets.budget_control.first_words import Line
from widgets.document.first_words import Place, words_as_html


def text_of(markup: str) -> str:
    return html.unescape(re.sub(r"<[^>]*>", "\n", markup))


def test_lines_and_tiles_say_all_that_they_are_given():
    lines = words_as_html("Fairness", [Line("Nobody loses.", "headline"), Line("By sex.")], Place.AXIS, "ε = 1")
    assert [word for word in text_of(lines).split("\n") if word] == ["Fairness", "ε = 1", "Nobody loses.", "By sex."]
    of_case = words_as_html("Cases", [Line("Case 1 of 9"), Line("It would not.", "headline")], Place.BESIDE)
    assert 'data-until="It would not."' in of_case
    tile = Tile("Cost", "−0.066", "AUROC", "loss shown", ("0.756 without.", "0.690 with."), {"finding": "mass"})
    said = text_of(words_as_html("Overview", [tile], Place.AXIS))
    for part in (tile.title, tile.value, tile.beside, tile.verdict, *tile.lines):
        assert part in said
    assert 'aria-hidden="true"' in lines and 'data-until="Nobody loses."' in lines


@pytest.mark.parametrize("foreign", foreign_strings(150))
def test_foreign_text_is_no_markup(foreign):
    markup = words_as_html(foreign, [Tile(foreign, foreign, foreign, foreign, (foreign,))], Place.TOP, foreign)
    plain = words_as_html("x", [Tile("x", "x", "x", "x", ("x",))], Place.TOP, "x")
    assert re.sub(r">[^<]*<", "><", re.sub('until="[^"]*"', "", markup)) == re.sub(r">[^<]*<", "><", re.sub('until="[^"]*"', "", plain))
