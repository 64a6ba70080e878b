"""`engine`, `first-start` and `import-job`: what DPMed starts by itself, callable by hand."""

import click

from dpmed_core import demo as first
from dpmed_core.engine.cluster import serve
from dpmed_core.settings import load_settings
from dpmed_core.uploads.jobs import Jobs
from dpmed_core.uploads.steps import work_on


@click.command()
def engine() -> None:
    """Work off the runs that were asked for; ends itself when there is nothing to do."""
    serve(load_settings())


@click.command("first-start")
def first_start() -> None:
    """Make the demo cohort and ask for its runs."""
    first.make_demo(load_settings())


@click.command("import-job")
@click.argument("job_id")
def import_job(job_id: str) -> None:
    """Do what an import of the dashboard waits for."""
    settings = load_settings()
    work_on(Jobs(settings).job(job_id), settings)
