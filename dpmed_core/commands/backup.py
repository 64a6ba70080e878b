"""`backup` and `restore`: data folder and database as one file, and back."""

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from dpmed_core.backups.backup import write_backup
from dpmed_core.backups.restore import Restored, restore_backup
from dpmed_core.commands.output import json_option, progress_line, say
from dpmed_core.engine.process import engine_is_alive
from dpmed_core.errors import BackupError
from dpmed_core.installation import Installation
from dpmed_core.phrases import bytes_in_words, counted
from dpmed_core.settings import load_settings

NOT_GENUINE = 2


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def backup(file: Path, as_json: bool) -> None:
    """Write data folder and database to the new FILE, while others work.

    FILE holds images, models and the installation's key: whoever has it has all that the data folder holds. Only its owner can read it.
    """
    made = write_backup(Installation.open(), file, progress=progress_line("Files"))
    vanished = f" {counted(made.n_vanished, 'file was', 'files were')} removed meanwhile." if made.n_vanished else ""
    readable = (
        f"Written: {file}, {bytes_in_words(made.n_bytes)}, with {counted(made.n_files, 'file', 'files')} and "
        f"{counted(made.n_rows, 'row', 'rows')} of the database.{vanished} It holds the installation's key: keep it as closed as the data "
        "folder."
    )
    say({**asdict(made), "file": str(file)}, readable, as_json=as_json)


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def restore(file: Path, as_json: bool) -> int:
    """Put a backup back into an empty data folder and an empty database, with the server stopped.

    Ends with 2 where the ledger in it is not whole. What was trained after the backup was made, and what it spent on patients, is in no
    restored ledger.
    """
    settings = load_settings()
    if engine_is_alive(settings):
        raise BackupError("An engine works in this data folder: stop the server, and wait until the engine has ended (see `status`).")
    restored = restore_backup(settings, file)
    say({**asdict(restored), "ledger_is_whole": _is_whole(restored)}, _readable(restored), as_json=as_json)
    return 0 if _is_whole(restored) else NOT_GENUINE


def _is_whole(restored: Restored) -> bool:
    return restored.broken_at is None and not restored.is_behind


def _readable(restored: Restored) -> str:
    made = datetime.fromtimestamp(restored.made_at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    ledger = (
        "The ledger is whole."
        if _is_whole(restored)
        else "The ledger is not whole, and was not when the backup was made: `ledger check` says where."
    )
    return (
        f"Restored: {counted(restored.n_files, 'file', 'files')} as of {made}, written by DPMed {restored.version}. {ledger} Models "
        f"that were trained after {made} spent privacy that it does not count."
    )
