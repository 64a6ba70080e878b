"""The files of one finished run's result, read against their checksums.

checksums.json is written last, so that its presence means a complete result; what does not match it is damaged, and is never shown.
"""

from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors import SafetensorError
from safetensors.numpy import load_file

from dpmed_core.errors import DamagedRunError, DpmedError
from dpmed_core.files import UnreadableFileError, read_object
from dpmed_core.runs.folder import CHECKSUMS, FINISHED_FILES, is_older, run_id_of
from dpmed_core.sealed_files import read_sealed
from dpmed_core.training.result import RunResult

RESULT, SCORES, WEIGHTS = FINISHED_FILES


def digest_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits.

    Raises:
        OSError: it is missing, or a folder.
    """
    return sha256(path.read_bytes()).hexdigest()


def checksums(folder: Path) -> dict[str, str]:
    """The checksums of a complete result by file name.

    Raises:
        DamagedRunError: they are missing, or cannot be read.
    """
    try:
        sealed = read_sealed(folder / CHECKSUMS, folder.name, is_older=lambda: is_older(folder))
        return {name: str(digest) for name, digest in sealed.items()}
    except UnreadableFileError as error:  # missing where `retry` or `withdraw` was killed between its two writes
        what = "are missing" if error.is_missing else f"cannot be used: {CHECKSUMS} {error}"
        raise DamagedRunError(f"The checksums of run {folder.name} {what}. Train it again with `runs retry {folder.name}`.") from None


def checked(folder: Path, name: str) -> Path:
    """The path of a file of a complete result, after its content was compared with its checksum.

    Raises:
        DamagedRunError: it does not match.
    """
    expected = checksums(folder).get(name)
    try:
        is_genuine = digest_of(folder / name) == expected
    except OSError:
        is_genuine = False
    if not is_genuine:
        raise _damaged(folder, name)
    return folder / name


def read_result(folder: Path, key: bytes) -> RunResult:
    """The facts of a finished run.

    Raises:
        DamagedRunError: the file does not match its checksum, is another run's, or is not one of this version of DPMed.
    """
    path = checked(folder, RESULT)
    try:
        result = RunResult.from_fields(read_object(path))
    except (DpmedError, KeyError, TypeError, ValueError):
        raise _damaged(folder, RESULT) from None
    if run_id_of(result.spec, key) != folder.name:
        raise _damaged(folder, RESULT)
    return result


def read_score_table(folder: Path) -> pd.DataFrame:
    """The scores of a finished run.

    Raises:
        DamagedRunError: the file does not match its checksum.
    """
    path = checked(folder, SCORES)
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError):
        raise _damaged(folder, SCORES) from None


def read_weights(folder: Path) -> dict[str, np.ndarray]:
    """The weights of a finished run by name.

    Raises:
        DamagedRunError: the file does not match its checksum.
    """
    path = checked(folder, WEIGHTS)
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError):
        raise _damaged(folder, WEIGHTS) from None


def damage(folder: Path, key: bytes) -> str | None:
    """What is wrong with a complete result, and what to do; None where nothing is."""
    try:
        read_result(folder, key)
        for name in (SCORES, WEIGHTS):
            checked(folder, name)
    except DamagedRunError as error:
        return str(error)
    return None


def _damaged(folder: Path, name: str) -> DamagedRunError:
    return DamagedRunError(
        f"The stored {name} of run {folder.name} is damaged and is not used: train it again with `runs retry {folder.name}`."
    )
