"""Patient identifiers in one form: the same patient is recognised in other cohorts, and where a spreadsheet changed how it is written."""

import re
from functools import cache
from unicodedata import category, decimal, normalize

from dpmed_core.keyed_hash import keyed_hex

PLAIN = re.compile(r"(?:[a-z]|(?<![0-9])(?:0|[1-9][0-9]*)(?:-(?:0|[1-9][0-9]*))*)*")
"""What is in the comparable form, as far as it is ASCII: there is no need to look further."""
THOUSANDS = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+(?:\.0+)?")
WHOLE_NUMBER = re.compile(r"([0-9]+)[.,]0+")
HYPHENS = re.compile("--+")
LEADING_ZEROS = re.compile(r"(?<![0-9])0+(?=[0-9])")
NOT_BETWEEN_DIGITS = re.compile(r"(?<![0-9])-|-(?![0-9])")
FILLERS = {chr(c) for c in (0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0, *range(0x180B, 0x1810), *range(0xFE00, 0xFE10))}
"""Characters without a picture that Unicode does not count as format characters."""


def comparable(identifier: str) -> str:
    """The form in which identifiers are compared; that of this form is itself.

    1. Compatibility characters become ordinary ones (Unicode NFKC: full-width letters and digits), digits of every script 0 to 9, and
       capital letters small (case folding).
    2. White space and characters without a picture (zero-width spaces, byte order marks, soft hyphens) are removed.
    3. A whole number as spreadsheets write it loses its decimals and its commas between thousands.
    4. Separators, which is every character but letters, digits and accents, become one hyphen between two digits and are removed
       elsewhere, e.g. the quotation marks of `="007"`.
    5. Leading zeros of every number in it are removed.

    >>> [comparable(text) for text in ("P1", "p1", "P 1", "P-01", "Ｐ１")]
    ['p1', 'p1', 'p1', 'p1', 'p1']
    >>> [comparable(text) for text in ("1", "01", "001", "1.0", "１", "٠١", ' ="001"')]
    ['1', '1', '1', '1', '1', '1', '1']
    >>> [comparable(text) for text in ("1-23", "12-3", "1/023", "10", "1.10", "1,234.00", "A-0-B0")]
    ['1-23', '12-3', '1-23', '10', '1-10', '1234', 'a0b0']
    >>> [comparable(text) for text in ("0", "00", "000", "0.0", "", " ", "?")]
    ['0', '0', '0', '0', '', '', '?']

    The rule is meant for counting what a patient's data were used for. It merges rather too much than too little: two patients who are
    taken for one are charged with each other's use. It takes for one what differs only in the above: "12 3" and "1 23", "AB-1" and
    "A-B1", "a1" and "A1", "1.0" and "1", "1,000" and "1000". It does not recognise what has lost more than its writing: digits that a
    spreadsheet rounded ("1.23E+15"), digits with and without hyphens ("12-3" and "123"), letters put before or left out ("P1" and "1"),
    accents left out, letters that only look alike (O and 0). An identifier of separators alone keeps them.

    Source: Unicode Standard Annex 15 (normalisation) and section 3.13 of the Unicode Standard (caseless matching).
    """
    while not PLAIN.fullmatch(identifier):
        if (form := _rewritten(identifier)) == identifier:
            break
        identifier = form  # again, because removing a separator can bring together what Unicode composes
    return identifier


def person_of_identifier(identifier: str, *, key: bytes) -> str:
    """The keyed hash of whom the patient with this identifier is, in whatever cohort and however the identifier is written.

    Args:
        identifier: the source's.
        key: the installation's secret.
    """
    # The purpose is that of patient_id on purpose: a patient of a cohort that was stored without this hash, and whose identifier is in
    # the comparable form, has it as patient_id.
    return keyed_hex(key, "patient", comparable(identifier))


def _rewritten(text: str) -> str:
    """`text` after one pass of the five steps of `comparable`."""
    seen = "".join(map(_as_seen, normalize("NFKC", normalize("NFKC", text).casefold())))
    number = seen.strip("".join({*filter(_separates, seen)}))
    if THOUSANDS.fullmatch(number):
        number = number.replace(",", "")
    if whole := WHOLE_NUMBER.fullmatch(number):
        number = whole[1]
    hyphens = HYPHENS.sub("-", "".join(["-" if _separates(letter) else letter for letter in number]))
    return LEADING_ZEROS.sub("", NOT_BETWEEN_DIGITS.sub("", hyphens)) or seen


@cache
def _as_seen(letter: str) -> str:
    """Nothing for what has no picture, 0 to 9 for digits, else the character itself."""
    if letter.isspace() or category(letter) == "Cf" or letter in FILLERS:
        return ""
    return letter if (value := decimal(letter, None)) is None else str(int(value))


@cache
def _separates(letter: str) -> bool:
    """Whether it is neither a letter nor a digit nor an accent."""
    return category(letter)[0] not in "LNM"
