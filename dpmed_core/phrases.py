"""Counts, durations and privacy parameters in words and digits."""

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal


def counted(count: int, one: str, several: str) -> str:
    """`count`, with thousands separators, followed by the words for one or for several.

    >>> counted(1, "image repeats", "images repeat")
    '1 image repeats'
    >>> counted(2000, "image", "images"), counted(0, "row", "rows")
    ('2,000 images', '0 rows')
    """
    return f"{count:,} {one if count == 1 else several}"


def duration_in_words(seconds: float) -> str:
    """A duration in the largest unit that suits it: seconds below 90 s, minutes below 90 min, then hours.

    >>> duration_in_words(1.2), duration_in_words(42), duration_in_words(600), duration_in_words(9000)
    ('1 second', '42 seconds', '10 minutes', '2.5 hours')
    """
    if seconds < 90:
        return counted(round(seconds), "second", "seconds")
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"


def bytes_in_words(n_bytes: int) -> str:
    """A number of bytes in the largest unit in which it is at least 1.

    >>> bytes_in_words(0), bytes_in_words(1536), bytes_in_words(5 * 2**20), bytes_in_words(3 * 2**40)
    ('0 B', '1.5 KiB', '5.0 MiB', '3,072.0 GiB')
    """
    value = float(n_bytes)
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:,.1f} GiB"


def rounded_up(value: float, digits: int) -> float:
    """A positive number at so many significant digits, never below itself: a guarantee must not be printed smaller than it is.

    >>> rounded_up(1.2349, 3), rounded_up(1.0, 3), rounded_up(0.1 + 0.2, 3)  # the last is 0.30000000000000004
    (1.24, 1.0, 0.3)
    """
    if value == 0 or not math.isfinite(value):
        return value
    return _rounded(value, digits, ROUND_CEILING)


def rounded_down(value: float, digits: int) -> float:
    """A positive number at so many significant digits, never above itself: a budget that is said to fit must fit.

    >>> rounded_down(1.2399, 3), rounded_down(2.9999999999999996, 3)  # the last is 3 but for what a sum lost
    (1.23, 3.0)
    """
    return value if value == 0 or not math.isfinite(value) else _rounded(value, digits, ROUND_FLOOR)


def _rounded(value: float, digits: int, rounding: str) -> float:
    # Twelve digits first: what a sum in floating point adds beyond them is no part of the number.
    exact = Decimal(f"{value:.12g}")
    return float(exact.quantize(Decimal(1).scaleb(exact.adjusted() - digits + 1), rounding=rounding))


def epsilon_text(epsilon: float) -> str:
    """An epsilon at three significant digits, rounded up.

    >>> epsilon_text(1.2349), epsilon_text(8.0), epsilon_text(6512.3), epsilon_text(math.inf)
    ('1.24', '8', '6,520', 'inf')
    """
    value = rounded_up(epsilon, 3)
    return f"{value:,.0f}" if 1000 <= value < math.inf else f"{value:g}"


def delta_text(delta: float) -> str:
    """A delta at two significant digits, rounded up.

    >>> delta_text(1e-5), delta_text(1.4e-5), delta_text(1.41e-5), delta_text(0.09)
    ('1e-05', '1.4e-05', '1.5e-05', '0.09')

    It is 0 where nothing was learnt:

    >>> delta_text(0.0)
    '0'
    """
    if delta == 0:
        return "0"
    value = rounded_up(delta, 2)
    return f"{value:g}" if value >= 0.01 else f"{value:.1e}".replace(".0e", "e")
