"""Counts and durations in words."""


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
