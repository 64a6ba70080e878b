"""Looking writes nothing: every page and command that reads shows its numbers from a data folder on a full or a read-only disk."""

import errno
import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from dpmed_core.cli import dpmed
from dpmed_core.database import Database
from dpmed_core.errors import DpmedError, StorageError
from dpmed_core.files import space_reason
from dpmed_core.installation import Installation
from tests.pages.test_pages import PAGES, texts

COMMANDS = (
    "cohort list",
    "cohort show demo-radiograph",
    "runs",
    "evaluate --cohort demo-radiograph --by sex",
    "ledger show --cohort demo-radiograph",
    "ledger check",
    "analysis-plan show --cohort demo-radiograph",
    "plan --cohort demo-radiograph --epsilons 1",
)
FREE_BYTES = 20 << 10
"""Left on a disk that is full, for nothing in particular."""


def mounted(*command: str) -> None:
    done = subprocess.run(["mount", *command], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")


@pytest.fixture(params=["read-only", "full"])
def disk(request, empty: Installation, asked, finish) -> Iterator[Callable[[], None]]:
    """Call it to have the data folder, which holds finished runs, on such a disk."""
    if os.geteuid() or not shutil.which("mount"):
        pytest.skip("mounting takes the rights of root")
    for spec in asked:
        finish(spec)
    folder = empty.settings.data_dir

    def change() -> None:
        if request.param == "read-only":
            mounted("--bind", str(folder), str(folder))
            mounted("-o", "remount,bind,ro", str(folder))
            return
        copied = folder.with_name("copied")
        shutil.copytree(folder, copied, symlinks=True)
        mounted("-t", "tmpfs", "-o", "size=64m,mode=700", "tmpfs", str(folder))
        shutil.copytree(copied, folder, symlinks=True, dirs_exist_ok=True)
        with (folder / "filler").open("wb", buffering=0) as file:
            try:
                while file.write(bytes(4096)):
                    pass
            except OSError as error:
                assert error.errno == errno.ENOSPC

    yield change
    subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=False)


def printed(command: str) -> dict[str, object]:
    """What a command prints with `--json`."""
    result = CliRunner().invoke(dpmed, [*command.split(), "--json"], obj=0o022)
    assert result.exception is None, (command, result.exception)
    return json.loads(result.stdout)


def test_pages_and_commands_that_read_show_their_numbers(disk, empty, open_page, request):
    # Both disks refuse alike: all of it on one of them, what reads most on the other.
    everything = "read-only" in request.node.name
    before = {command: printed(command) for command in (COMMANDS if everything else COMMANDS[3:5])}
    pages = {page: texts(open_page(page)) for page in (PAGES if everything else ("fairness",))}
    disk()
    assert space_reason(empty.settings.data_dir) is not None
    for command, said in before.items():
        assert printed(command) == said, command
    for page, said in pages.items():
        app = open_page(page)
        assert not app.exception and not app.error, page
        assert texts(app) == said, page
    assert "auroc" in json.dumps(before["evaluate --cohort demo-radiograph --by sex"])


def test_what_changes_something_is_refused_in_one_sentence(disk, empty, cohort):
    disk()
    for command in ("ledger cap 8 --name Officer --reason board", "train --cohort demo-radiograph --epsilon 2"):
        result = CliRunner().invoke(dpmed, command.split(), obj=0o022)
        assert isinstance(result.exception, DpmedError), (command, result.exception)
        assert "\n" not in str(result.exception)


def test_a_database_with_an_unwritten_log_is_read_with_it_on_a_read_only_disk(empty, asked, tmp_path, monkeypatch):
    """A crash leaves the last changes in SQLite's write-ahead log, which a read-only disk does not let it take over."""
    path = empty.settings.database_path
    n_entries = len(empty.ledger.chain.entries())
    with closing(sqlite3.connect(path)) as holder:  # keeps the log from being taken over and removed
        holder.execute("SELECT count(*) FROM ledger_entries").fetchone()
        empty.ledger.set_cap(epsilon=9.0, delta=1e-5, name="Officer", reason="board")
        assert Path(f"{path}-wal").stat().st_size
        monkeypatch.setattr(Database, "_engine", refuse)
        assert len(empty.ledger.chain.entries()) == n_entries + 1
        with pytest.raises(StorageError, match="full or read-only"):
            empty.ledger.set_cap(epsilon=None, delta=1e-5, name="Officer", reason="board")


def refuse(_: Database) -> None:
    raise OSError(errno.EROFS, "Read-only file system")
