"""Names of exported files: two figures with different content never share one."""

import re
from hashlib import sha256

from dpmed_core.cohort.schema import Cohort
from dpmed_core.evaluation.metrics.auroc import AUROC
from dpmed_core.reporting.catalogue import CATALOGUE
from dpmed_core.reporting.choice import Choice

LONGEST = 150
"""Characters before the suffix, which any file system takes."""


def file_name(
    name: str,
    cohort: Cohort,
    shown: Choice,
    suffix: str,
    *,
    start: str | None = None,
    margin: float | None = None,
    delta: float | None = None,
) -> str:
    """The name of a file that says what is in it.

    Args:
        name: of the figure in the catalogue.
        cohort: whose results.
        shown: what the figure shows.
        suffix: such as ".csv".
        start: the public start that the models begin at.
        margin: acceptable loss that the tables were judged by, for a figure that shows it.
        delta: which was chosen, where a budget was trained at several.
    """
    entry = CATALOGUE[name]
    parts = [
        name,
        cohort.name,
        start and f"from-{start}",
        shown.finding,
        shown.recipe,
        shown.unit and f"by-{shown.unit}",
        None if shown.epsilon is None else f"epsilon-{shown.epsilon:g}",
        None if delta is None else f"delta-{delta:g}",
        shown.attribute if entry.by_subgroup else None,
        shown.metric if entry.of_metric and shown.metric != AUROC.name else None,
        f"margin-{margin:g}" if entry.with_margin and margin is not None else None,
        shown.reference.replace(" ", "-") if entry.of_plan else None,
        "published" if shown.published else None,
    ]
    said = [part for part in parts if part]
    readable = "-".join(re.sub(r"[^\w.-]+", "-", part) for part in said)
    if readable == "-".join(said) and len(readable) <= LONGEST:
        return readable + suffix
    # Names of a hospital's own, such as "mass, left" and "mass left", must not become one.
    return f"{readable[:LONGEST]}-{sha256(repr(parts).encode()).hexdigest()[:6]}{suffix}"
