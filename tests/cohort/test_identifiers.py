"""Patient identifiers in one form: what is the same in it, and what stays different."""

import random

import pytest

from dpmed_core.cohort.identifiers import comparable, person_of_identifier
from dpmed_core.keyed_hash import keyed_hex
from tests.conftest import KEY

PICTURELESS = (" ", "\t", "\u00a0", "\u200b", "\u2060", "\ufeff", "\u00ad", "\u3000", "\u3164", "\ufe0f")
SCRIPTS = (0x30, 0x660, 0x966, 0xFF10, 0x1D7CE)
"""The digit 0 in ASCII, Arabic-Indic, Devanagari, full width and bold."""


@pytest.mark.parametrize(
    ("form", "written"),
    [
        ("p1", ["P1", "p1", "P 1", " P1\u200b", "P-1", "P_01", "Ｐ１", "p.0001", "\x00P1\x00"]),
        ("1", ["1", "01", "001", "1.0", "1.00", "1,0", "1.", "１", "０１", "٠١", '="001"', "'001", "#1", "\ufeff1"]),
        ("0", ["0", "00", "000", "0.0", "００"]),
        ("1234567", ["1234567", "1,234,567", "1,234,567.00", "1 234 567", "1234567.0"]),
        ("1-23", ["1-23", "1/23", "01_023", "1--23", "1 - 23", "1–23", "1.23"]),
        ("1-10", ["1.10", "1-10"]),
        ("1-2-0", ["1.2.0", "1-2-0"]),
        ("tcga17z34", ["TCGA-17-Z034", "tcga 17 z34"]),
        ("strasse7", ["Straße 7", "STRASSE-07"]),
        ("josé1", ["José 1", "JOSE\u0301-01"]),
    ],
)
def test_writings_of_one_identifier_have_one_form(form, written):
    assert {text: comparable(text) for text in written} == dict.fromkeys(written, form)


@pytest.mark.parametrize(
    "different",
    [
        ["1-23", "12-3", "123"],
        ["1", "10", "100", "1-0", "11", "1-1"],
        ["1-1", "1-10", "1-1-0"],
        ["p1", "q1", "1", "p1q", "1p"],
        ["a", "á", "aa"],
        ["?", "--", "", "0"],
        ["कि", "का"],
    ],
)
def test_different_identifiers_keep_different_forms(different):
    assert len({comparable(text) for text in different}) == len(different)


def test_numbers_with_and_without_leading_zeros_are_the_same_and_no_two_numbers_are():
    assert [comparable(f"{number:08d}") for number in range(3000)] == [str(number) for number in range(3000)]
    assert len({comparable(f"{a:03d}-{b:02d}") for a in range(60) for b in range(60)}) == 3600


def rewritten(parts: list[str], chance: random.Random) -> str:
    """The identifier of `parts`, letters and numbers in turn, written in another way."""
    text = ""
    for part in parts:
        if part.isdigit():
            zero = chance.choice(SCRIPTS)
            text += "".join(chr(zero + int(digit)) for digit in "0" * chance.randrange(4) + part)
        else:
            text += chance.choice((str.upper, str.lower, str.title))(part)
        text += chance.choice(("", "", *PICTURELESS))
    return chance.choice(("", " ", "'", "\ufeff")) + text


def test_any_mixture_of_writings_has_the_form_of_the_identifier():
    chance = random.Random(0)
    for _ in range(2000):
        parts = [
            chance.choice(("pat", "x", "mrn", "é", "ж", "患者")) if i % 2 == 0 else str(chance.randrange(1000))
            for i in range(chance.randrange(1, 6))
        ]
        assert comparable(rewritten(parts, chance)) == "".join(parts)


def test_the_form_of_the_form_is_itself_whatever_the_text():
    chance = random.Random(1)
    hard = "0011-.,/ \u0130\u0345\u0301\u03a3ßſK½²①ﬁ\u1fb3\u1100\u1161\u3164\ud7a3"
    for _ in range(5000):
        any_letters = [chr(chance.randrange(0xD800)) for _ in range(3)] + [chr(chance.randrange(0xE000, 0x110000)) for _ in range(3)]
        text = "".join(chance.choices([*hard, *any_letters], k=chance.randrange(9)))
        form = comparable(text)
        assert comparable(form) == form, ascii(text)


def test_an_identifier_in_the_comparable_form_has_its_patient_id_as_person():
    for text in ("1", "p1", "1-23", "patient64541"):
        assert person_of_identifier(text, key=KEY) == keyed_hex(KEY, "patient", text)
    assert person_of_identifier("P 001", key=KEY) == keyed_hex(KEY, "patient", "p1")
