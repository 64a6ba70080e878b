"""`engine`, `first-start` and `import-job`: the processes that DPMed starts in the background."""

import click

from dpmed_core import demo
from dpmed_core.engine.cluster import serve
from dpmed_core.settings import load_settings
from dpmed_core.uploads.jobs import Jobs
from dpmed_core.uploads.steps import work_on


@click.command()
def engine() -> None:
    """Train the queued runs and answer inference requests; ends when there is nothing to do."""
    serve(load_settings())


@click.command("first-start")
def first_start() -> None:
    """Make the demo cohort and queue its runs."""
    demo.make_demo(load_settings())


@click.command("import-job")
@click.argument("job_id")
def import_job(job_id: str) -> None:
    """Do the next step of an import that was started in the dashboard."""
    settings = load_settings()
    work_on(Jobs(settings).job(job_id), settings)
