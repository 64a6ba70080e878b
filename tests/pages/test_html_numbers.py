"""Numbers in large letters: a list of terms for screen readers, and anybody's text as text."""

import xml.etree.ElementTree as ET

from tests.foreign_strings import foreign_strings
from widgets.html_numbers import Number, numbers_as_html


def test_each_number_is_a_term_with_its_value_and_what_stands_beside_it():
    numbers = list(ET.fromstring(numbers_as_html([Number("Runs queued", "3", "the oldest for 2 minutes"), Number("Cap", "none")])))
    assert [[(part.tag, part.text) for part in number] for number in numbers] == [
        [("dt", "Runs queued"), ("dd", "3"), ("dd", "the oldest for 2 minutes")],
        [("dt", "Cap"), ("dd", "none")],
    ]


def test_foreign_text_stays_text():
    for text in filter(str.strip, foreign_strings(50)):
        (number,) = ET.fromstring(numbers_as_html([Number(text, text, text)]))
        assert [part.tag for part in number.iter()] == ["div", "dt", "dd", "dd"]
