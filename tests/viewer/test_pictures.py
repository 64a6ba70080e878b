"""Small pictures: their pixels and words arrive as they are."""

import base64
import io
from html.parser import HTMLParser

import numpy as np
from PIL import Image

from widgets.pictures import picture_element, pictures_as_html

FOREIGN = '"><script>alert(1)</script> & <b>'


class Attributes(HTMLParser):
    """The elements that a text holds, with their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def test_every_grey_arrives_and_foreign_words_stay_words():
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    parser = Attributes()
    parser.feed(picture_element(pixels, FOREIGN, width="100%"))
    [(tag, attributes)] = parser.found
    assert tag == "img" and attributes["alt"] == FOREIGN
    kind, _, coded = attributes["src"].partition(",")
    assert kind == "data:image/png;base64"
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(base64.b64decode(coded)))), pixels)


def test_pictures_side_by_side_keep_their_order_and_words():
    parser = Attributes()
    parser.feed(pictures_as_html(((np.full((2, 2), number, np.uint8), f"{FOREIGN}{number}") for number in range(3)), width="105px"))
    (frame, _), *pictures = parser.found
    assert frame == "div" and [(tag, attributes["alt"]) for tag, attributes in pictures] == [("img", f"{FOREIGN}{n}") for n in range(3)]
