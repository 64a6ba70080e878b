"""The command line.

With `--json` a command prints one JSON document on stdout and nothing else there; progress goes to stderr.
An error that the user can correct is one line on stderr and exit status 2.
"""

import sys

import click

from dpmed_core.commands.analysis_plan import analysis_plan
from dpmed_core.commands.audit import audit
from dpmed_core.commands.backup import backup, restore
from dpmed_core.commands.cards import cards
from dpmed_core.commands.cohort import cohort
from dpmed_core.commands.doctor import doctor
from dpmed_core.commands.encoder import encoder
from dpmed_core.commands.evaluation import evaluate, reference
from dpmed_core.commands.export import export
from dpmed_core.commands.exposure import exposure
from dpmed_core.commands.ledger import ledger
from dpmed_core.commands.meaning import meaning
from dpmed_core.commands.output import tell
from dpmed_core.commands.pays import pays
from dpmed_core.commands.people import people
from dpmed_core.commands.planning import plan
from dpmed_core.commands.processes import engine, first_start, import_job
from dpmed_core.commands.readers import readers
from dpmed_core.commands.report import report
from dpmed_core.commands.returning import returning
from dpmed_core.commands.review import review
from dpmed_core.commands.starts import pretrain, starts
from dpmed_core.commands.status import status
from dpmed_core.commands.training import runs, sweep, train
from dpmed_core.errors import DpmedError
from dpmed_core.files import keep_files_to_owner
from dpmed_core.foreign_text import keep_logs_plain

USER_ERROR = 2
INTERRUPTED = 130


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def dpmed() -> None:
    """Train private and non-private classifiers on a cohort of images and measure what privacy costs. Research use only."""


for command in (
    cohort,
    plan,
    analysis_plan,
    audit,
    train,
    sweep,
    pretrain,
    starts,
    encoder,
    runs,
    evaluate,
    export,
    exposure,
    pays,
    ledger,
    meaning,
    people,
    readers,
    reference,
    returning,
    review,
    report,
    cards,
    doctor,
    status,
    backup,
    restore,
    engine,
    first_start,
    import_job,
):
    dpmed.add_command(command)


def main() -> None:
    """Run one command and end the process with its exit status."""
    umask = keep_files_to_owner()
    keep_logs_plain()
    try:
        # The user's own umask goes along for files that are written where the user says (`export --out`).
        # Without Click's standalone mode, whose errors print usage over several lines: every error here is one line with one exit status.
        sys.exit(dpmed.main(prog_name="python -m dpmed_core", standalone_mode=False, obj=umask) or 0)
    except DpmedError as error:
        _end(str(error), USER_ERROR)
    except click.Abort:
        _end("Stopped. Queued runs continue (see `runs`); an import that is started again continues where it stopped.", INTERRUPTED)
    except click.ClickException as error:
        _end(error.format_message(), USER_ERROR)


def _end(message: str, status: int) -> None:
    tell(message)
    sys.exit(status)
