"""What browsers start while the first page is read."""

import re

import pytest

from widgets.browser_programs import AXIS, PLOTLY
from widgets.document.ahead import CHUNKS, ELEMENTS, attributes


@pytest.mark.parametrize("element", ELEMENTS)
def test_streamlit_has_one_program_for_each_element(element):
    assert len(list(CHUNKS.glob(f"{element}.*.js"))) == 1


def test_the_document_names_them_relative_to_the_page():
    found = dict(re.findall(r'data-(\w+)="([^"]*)"', attributes()))
    assert (found["axis"], found["plotly"]) == (AXIS.address, PLOTLY.address)
    addresses = found["ahead"].split()
    assert len(addresses) == len(ELEMENTS) + 2 and not any(address.startswith("/") for address in addresses)
    assert all((CHUNKS.parents[1] / address).is_file() for address in addresses if address.startswith("static/"))
