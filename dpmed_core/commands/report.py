"""`report`: a review, or a cohort that nobody reviewed, as one HTML page or a PDF."""

from contextlib import nullcontext
from pathlib import Path

import click

from dpmed_core.commands.output import json_option, say
from dpmed_core.decision_report.beside import Asked
from dpmed_core.decision_report.gathered import of_cohort, of_review
from dpmed_core.decision_report.page import report_html
from dpmed_core.decision_report.paper import report_pdf
from dpmed_core.errors import ExportError
from dpmed_core.files import creating_with, replacing
from dpmed_core.installation import Installation

SUFFIXES = (".html", ".pdf")


@click.command()
@click.option("--review", "review_id", help="The review, as it was frozen.")
@click.option("--cohort", "cohort_name", help="A cohort as it is now, without a review.")
@click.option("--epsilon", type=float, help="With --cohort: a trained budget. Default: the one nearest to 1.")
@click.option("--recipe", help="With --cohort. Default: that of the analysis plan, or the only one that was trained.")
@click.option("--with-protection", is_flag=True, help="With measured protection in aggregates, which no guarantee covers.")
@click.option("--with-cases", is_flag=True, help="With --review: labels and scores of the held-out cases that comments are on, numbered.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="FILE; its suffix says what is written: html or pdf.")
@json_option
@click.pass_obj
def report(
    umask: int | None,
    review_id: str | None,
    cohort_name: str | None,
    epsilon: float | None,
    recipe: str | None,
    with_protection: bool,
    with_cases: bool,
    out: Path,
    as_json: bool,
) -> None:
    """Write the report of a review or a cohort: what was decided, why, with what doubts; it needs no network.

    It shows numbers of held-out patients and of models without privacy, which no guarantee covers: record it as a release before it leaves
    the house (`ledger release`).
    """
    if (review_id is None) == (cohort_name is None):
        raise click.UsageError("Give either --review or --cohort.")
    if review_id is not None and (epsilon is not None or recipe is not None):
        raise click.UsageError("A review says which model it is about: leave out --epsilon and --recipe.")
    if review_id is None and with_cases:
        raise click.UsageError("Cases are those that comments are on: give --review.")
    if out.suffix not in SUFFIXES:
        raise ExportError(f"{out.suffix or 'No suffix'} cannot be written: name the file *{' or *'.join(SUFFIXES)}.")
    here = Installation.open()
    asked = Asked(protection=with_protection, cases=with_cases)
    if review_id is not None:
        found = of_review(here, review_id, asked)
    else:
        found = of_cohort(here, str(cohort_name), epsilon=epsilon, recipe=recipe, asked=asked)
    page = report_html(found, still=out.suffix == ".pdf")
    content = report_pdf(page) if out.suffix == ".pdf" else page.encode()
    with nullcontext() if umask is None else creating_with(umask), replacing(out) as draft:
        draft.write_bytes(content)
    say({"review_id": review_id, "cohort": found.cohort.name, "file": str(out)}, f"Written: {out}", as_json=as_json)
