"""Counts and durations in words."""


def counted(count: int, one: str, several: str) -> str:
    """`count` with the words for one or for several: "1 image repeats", "2 images repeat"."""
    return f"{count:,} {one if count == 1 else several}"


def in_words(seconds: float) -> str:
    """A duration as people say it."""
    return f"{seconds:.0f} seconds" if seconds < 90 else f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
