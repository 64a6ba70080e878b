"""Images that show nothing or are clipped: constant, nearly constant, or mostly pure black and white."""

from collections.abc import Iterator

from dpmed_core.cohort.report import Check, Severity
from dpmed_core.cohort.validation.inputs import Material
from dpmed_core.phrases import counted

SMALLEST_SPAN = 8
"""Grey levels of 255 between the darkest and the brightest point; less shows no anatomy."""
MOST_CLIPPED = 0.5
"""Share of the picture, black borders left out, that may be pure black or pure white."""


def exposure_checks(material: Material) -> Iterator[Check]:
    """Nearly constant and saturated images among those stored; wholly constant ones are left out when they are read."""
    flat = material.measured.spans < SMALLEST_SPAN
    clipped = (material.measured.clipped > MOST_CLIPPED) & ~flat
    if flat.any():
        sentence = f"{counted(int(flat.sum()), 'image is', 'images are')} nearly constant and show nothing."
        yield material.check("nearly_constant_images", Severity.WARNING, sentence, flat)
    if clipped.any():
        sentence = f"{counted(int(clipped.sum()), 'image is', 'images are')} saturated: over {MOST_CLIPPED:.0%} pure black or pure white."
        yield material.check("saturated_images", Severity.WARNING, sentence, clipped)
