"""Which files of a data folder a backup holds, and in which order they are copied.

Others go on working. So that what is copied could be what a power cut left, files are read against the order in which they are written:
a file that is there says that all that was written before it is there too. The database is read last of all.

- The ledger's noted head comes first: it must not be ahead of the database.
- Of a run its progress and checksums come before the result that they announce, and its record of attempts comes last: no copy of a
  checkpoint is without the record of what it spent.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from dpmed_core.privacy.ledger.chain import HEAD_FILE
from dpmed_core.runs.folder import ATTEMPTS, CHECKPOINT, CHECKSUMS, FINISHED_FILES, KEPT_TOGETHER, PROGRESS, REQUEST
from dpmed_core.settings import Settings

OF_A_RUN = (PROGRESS, CHECKSUMS, *FINISHED_FILES, CHECKPOINT, ATTEMPTS, REQUEST)
SHIPPED = ("README.md", "reference")
"""What comes with DPMed where the data folder is the checkout's own; with the files directly in `encoders`."""
DATABASE = re.compile(r"dpmed\.db(-\w+)?")


def files_to_copy(settings: Settings) -> list[str]:
    """The files of a data folder that make it up, as paths in it, in the order in which they are copied.

    Left out are the database, which is copied as rows, links, locks and drafts (hidden names), logs, the engine's address and credentials,
    what is on its way in (imports, requests, uploaded cases), caches of several runs and of noise, and what ships with DPMed.
    """
    passing = {
        folder.name
        for folder in (
            settings.engine_dir,
            settings.logs_dir,
            settings.imports_dir,
            settings.inference_dir,
            settings.uploaded_cases_dir,
            settings.calibrations_dir,
        )
    }
    found = (path for path in _files(settings.data_dir) if path.parts[0] not in (*passing, *SHIPPED))
    wanted = (path for path in found if not DATABASE.fullmatch(str(path)) and path.parts[:2] != ("runs", KEPT_TOGETHER))
    kept = (path for path in wanted if not (path.parts[0] == "encoders" and len(path.parts) == 2))
    return [str(path) for path in sorted(kept, key=_place)]


def _files(folder: Path) -> Iterator[PurePosixPath]:
    """Every file under `folder` that is no link and neither hidden nor in a hidden folder, as a path in it."""
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(parent, name)
            if not name.startswith(".") and path.is_file() and not path.is_symlink():
                yield PurePosixPath(path.relative_to(folder).as_posix())


def _place(path: PurePosixPath) -> tuple[int, str, int, str]:
    """Where a file stands in the order."""
    if str(path) == HEAD_FILE:
        return 0, "", 0, ""
    in_run = OF_A_RUN.index(path.name) if path.parts[0] == "runs" and path.name in OF_A_RUN else len(OF_A_RUN)
    return 1, str(path.parent), in_run, path.name
