"""The environment variables of processes that open other people's files.

A decoder that a crafted file takes over can read every variable that its process has: passwords of databases, tokens of clouds. It
therefore gets these alone.
"""

import os
from pathlib import Path

IMPORT_ROOT = Path(__file__).resolve().parents[1]
KEPT = (
    # Where programs, libraries and temporary files are.
    *("PATH", "LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "HOME", "TMPDIR"),
    # In which language and time zone they run.
    *("LANG", "LC_ALL", "LC_CTYPE", "TZ"),
    # With how many threads.
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"),
)
"""What is kept of this process's own variables."""
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""One thread for each process: there are as many processes as cores."""


def bare_environment() -> dict[str, str]:
    """The variables of this process that a program needs to run at all."""
    return {name: os.environ[name] for name in KEPT if name in os.environ}


def decoder_environment(**more: str) -> dict[str, str]:
    """The variables of a Python process of ours that decodes files; `more` are its own."""
    paths = [str(IMPORT_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**bare_environment(), **ONE_THREAD, "PYTHONPATH": os.pathsep.join(paths), **more}
