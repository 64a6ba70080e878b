"""Names of exported files: readable, safe on any disk, and distinct wherever the content differs."""

from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from dpmed_core.reporting.catalogue import CATALOGUE
from dpmed_core.reporting.choice import Choice
from dpmed_core.reporting.file_names import LONGEST, file_name

SHOWN = Choice(finding="mass", recipe="probe", unit="patient", epsilon=8.0, attribute="sex")


def test_a_name_says_what_is_in_the_file(images_cohort):
    name = images_cohort.name
    assert file_name("fairness-forest", images_cohort, SHOWN, ".csv") == f"fairness-forest-{name}-mass-probe-by-patient-epsilon-8-sex.csv"
    assert file_name("cost", images_cohort, Choice(finding="macro"), ".png", start="public", margin=0.05) == (
        f"cost-{name}-from-public-macro-margin-0.05.png"
    )


def test_names_differ_wherever_content_does(images_cohort):
    findings, recipes, units = ("macro", "mass", "mass, left", "mass left"), ("probe", "paper"), ("patient", "image")
    budgets = (None, 0.3, 1.0, 8.0)
    seen = {}
    for name, finding, recipe, unit, epsilon in product(CATALOGUE, findings, recipes, units, budgets):
        entry = CATALOGUE[name]
        changes = [{"attribute": one} for one in ("sex", "age", "sex*age")] if entry.by_subgroup else [{}]
        changes += [{"metric": "auprc"}] if entry.of_metric else []
        for change in changes:
            shown = replace(SHOWN, finding=finding, recipe=recipe, unit=unit, epsilon=epsilon, **change)
            for margin, delta, start in product((0.02, 0.05) if entry.with_margin else (None,), (None, 1e-5), (None, "public")):
                made = file_name(name, images_cohort, shown, ".csv", start=start, margin=margin, delta=delta)
                content = (name, shown, margin, delta, start)
                assert seen.setdefault(made, content) == content
    assert len(seen) > 1000


@pytest.mark.parametrize("finding", ["../../etc/passwd", "=cmd|calc!A0", "a" * 10_000, "\u202eright to left", "Ödem, links\n"])
def test_a_foreign_name_makes_a_safe_file_name(images_cohort, finding):
    made = file_name("cost", images_cohort, replace(SHOWN, finding=finding), ".csv")
    assert Path(made).name == made and len(made) < LONGEST + 20 and made.isprintable() and "\n" not in made
