"""Images that show nothing or are saturated: nearly constant, or mostly pure black and white."""

from collections.abc import Iterator

from dpmed_core.cohort.report import Check, Severity
from dpmed_core.cohort.validation.inputs import ValidationInputs
from dpmed_core.phrases import counted

SMALLEST_SPAN = 8
"""Least difference between the darkest and the brightest pixel, of 255 grey levels; a smaller one shows no anatomy."""
NARROW_SPAN = 40
"""A span between `SMALLEST_SPAN` and this one is so dark, bright or flat that a reader would choose another window."""
MOST_CLIPPED = 0.5
"""Largest share of the image, black borders excluded, that may be pure black or pure white."""


def exposure_checks(inputs: ValidationInputs) -> Iterator[Check]:
    """Nearly constant and saturated images among those stored; constant ones are already left out when they are read."""
    flat = inputs.measured.spans < SMALLEST_SPAN
    narrow = (inputs.measured.spans < NARROW_SPAN) & ~flat
    clipped = (inputs.measured.clipped > MOST_CLIPPED) & ~flat
    if flat.any():
        sentence = f"{counted(int(flat.sum()), 'image is nearly constant and shows', 'images are nearly constant and show')} nothing."
        yield inputs.check("nearly_constant_images", Severity.WARNING, sentence, flat)
    if narrow.any():
        sentence = f"{counted(int(narrow.sum()), 'image uses', 'images use')} fewer than {NARROW_SPAN} of 256 grey levels."
        yield inputs.check("narrow_range_images", Severity.WARNING, sentence, narrow)
    if clipped.any():
        saturated = counted(int(clipped.sum()), "image is", "images are")
        sentence = f"{saturated} saturated: more than {MOST_CLIPPED:.0%} of the pixels are pure black or pure white."
        yield inputs.check("saturated_images", Severity.WARNING, sentence, clipped)
