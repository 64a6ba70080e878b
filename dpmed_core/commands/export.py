"""`export`: figures, and the tables behind them, as files."""

from dataclasses import replace
from pathlib import Path

import click

from dpmed_core.commands.output import json_option, say
from dpmed_core.evaluation.metrics.auroc import AUROC
from dpmed_core.evaluation.metrics.catalogue import OFFERED
from dpmed_core.evaluation.scores.load_scores import read_scores
from dpmed_core.evaluation.tables.all_tables import EvaluationTables
from dpmed_core.installation import Installation
from dpmed_core.privacy.provenance import provenance_of
from dpmed_core.reporting.catalogue import CATALOGUE
from dpmed_core.reporting.choice import Choice
from dpmed_core.reporting.export import SUFFIXES, export_figure, refuse_unknown
from dpmed_core.reporting.figures.style import COLUMN_MILLIMETRES, Column
from dpmed_core.training.spec import PrivacyUnit

KINDS = ", ".join(suffix.removeprefix(".") for suffix in SUFFIXES)
WIDTHS = " or ".join(f"{name} ({width} mm)" for name, width in COLUMN_MILLIMETRES.items())


@click.command(help=f"Write a FIGURE, or its table (csv), to a file. FIGURE: {', '.join(CATALOGUE)}.")
@click.argument("figure")
@click.option("--cohort", "cohort_name", required=True)
@click.option("--out", required=True, type=click.Path(path_type=Path), help=f"FILE; its suffix says what is written: {KINDS}.")
@click.option("--finding", help="A finding, or macro for the mean over findings. Default: macro; in a table, all.")
@click.option("--recipe", help="Default: the first that was trained; in a table, all.")
@click.option("--unit", type=click.Choice([u.value for u in PrivacyUnit]), help="Default: patient; in a table, both.")
@click.option("--epsilon", type=float, help="A trained budget. Default: the one nearest to 1.")
@click.option("--delta", type=float, help="Where a budget was trained at several. Default: the smallest.")
@click.option(
    "--attribute",
    help="Subgroups by: sex, age, age:quartiles, age:40/65, a co-morbidity, sex*age. Default: sex; of loss-map and verdict-map, all of the "
    "analysis plan.",
)
@click.option("--margin", type=float, help="The loss that is still acceptable. Default: that of the analysis plan.")
@click.option("--metric", default=AUROC.name, show_default=True, help=f"What is measured: {', '.join(OFFERED)}.")
@click.option("--column", type=click.Choice(list(COLUMN_MILLIMETRES)), default="double", show_default=True, help=f"Width: {WIDTHS}.")
@click.option("--start", help="Of the runs that begin at this public start. Default: of those from scratch.")
@click.option("--published", is_flag=True, help="Draw the paper's PDAC results behind a CT cohort's privacy-utility curve.")
@json_option
@click.pass_obj
def export(
    umask: int | None,
    figure: str,
    cohort_name: str,
    out: Path,
    finding: str | None,
    recipe: str | None,
    unit: str | None,
    epsilon: float | None,
    delta: float | None,
    attribute: str | None,
    margin: float | None,
    metric: str,
    column: Column,
    start: str | None,
    published: bool,
    as_json: bool,
) -> None:
    """Write a figure or its table; with the user's own `umask`, since the file is the user's and not part of the data folder."""
    installation = Installation.open()
    cohort = installation.cohorts.load(cohort_name)
    folder = installation.settings.reference_dir if published else None
    choice = Choice(finding=finding, recipe=recipe, unit=unit, epsilon=epsilon, metric=metric, published=folder)
    refuse_unknown(figure, cohort, choice, out)  # before any scores are read
    choice = replace(choice, attribute=attribute or (None if CATALOGUE[figure].of_every_group else "sex"))
    provenance = provenance_of(installation.ledger, cohort, installation.encoders)
    plans = installation.ledger.plan_record(cohort)
    margin = plans.plan.margin if margin is None else margin
    # A verdict is judged together with all that the plan names, though one attribute is drawn.
    of_plan = choice.attribute is None or (CATALOGUE[figure].of_verdicts and choice.attribute in plans.plan.attributes)
    tables = EvaluationTables(
        lambda: read_scores(installation.runs, cohort, start=start).at_one_delta(delta),
        plans.plan.attributes if of_plan else [str(choice.attribute)],
        margin=margin,
        findings=plans.plan.findings if of_plan else None,
        epsilons=plans.plan.epsilons if of_plan and not plans.is_exploratory else None,
    )
    for message in tables.left_out.values():
        click.echo(message, err=True)
    export_figure(figure, tables, cohort, choice, out=out, column=column, umask=umask, provenance=provenance)
    say({"figure": figure, "file": str(out)}, f"Written: {out}", as_json=as_json)
