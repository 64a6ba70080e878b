"""Answers of the accountants, kept in the data folder: the same question is counted once, and its answer may be lost at any time."""

import json
import logging
from collections.abc import Callable, Mapping
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from dpmed_core.files import write_json

log = logging.getLogger(__name__)

COUNTED_BY = ("opacus", "dp-accounting", "scipy")
VERSION = 1
"""Raised whenever this package counts differently."""

Answer = Mapping[str, object]


def remembered(folder: Path, question: Mapping[str, object], count: Callable[[], Answer]) -> Answer:
    """The answer to `question`, from `folder` if it was counted by the same versions before, else from `count`.

    Files are written whole or not at all; one that cannot be read, or answers another question, is counted again and replaced.
    """
    asked = {**question, "version": VERSION, **{name: version(name) for name in COUNTED_BY}}
    path = folder / f"{sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:32]}.json"
    known = _read(path)
    if known and known.get("question") == asked and isinstance(kept := known.get("answer"), dict):
        return kept
    answer = count()
    try:
        write_json(path, {"question": asked, "answer": answer})
    except OSError as error:
        log.warning("a calibration could not be kept: %s", type(error).__name__)
    return answer


def _read(path: Path) -> dict[str, object] | None:
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None
