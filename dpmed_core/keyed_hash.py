"""Keyed hashes: identifiers that mean nothing outside this installation.

An unkeyed hash of a patient identifier can be reversed by hashing every possible identifier, and an unkeyed hash of
data proves to anyone who holds the same data that it was used. Everything that leaves the importer is
therefore hashed with a secret that leaves the data folder in backups alone.
"""

import hmac
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from dpmed_core.errors import SettingsError

KEY_BYTES = 32
KEY_FILE = "secret.key"
CHECK_FILE = "secret.key.check"
"""Holds a hash under the key, which shows another key without telling anything of this one."""
RESTORE = (
    f"Restore {KEY_FILE} from a backup: it cannot be recreated, and with another key other patients would be held out, and what was spent "
    "on each would no longer be found. Nothing was started or changed."
)


def installation_key(
    data_dir: Path, *, is_empty: Callable[[], bool] = lambda: True, proves: Callable[[bytes], bool | None] = lambda key: None
) -> bytes:
    """The installation's secret, readable by its owner alone (mode 0600); created where the data folder is empty.

    Args:
        data_dir: the data folder.
        is_empty: whether nothing is stored yet that depends on a key.
        proves: whether what is stored was hashed under a key; None where nothing tells. Asked where the check value does not.

    Raises:
        SettingsError: the key is missing and the folder is not empty, the file does not hold a key, or it holds another one.
    """
    path = data_dir / KEY_FILE
    if not path.exists():
        # Asked again after the folder was looked through: another process may have made the key, and stored something, meanwhile.
        if (not is_empty() or (data_dir / CHECK_FILE).exists()) and not path.exists():
            raise SettingsError(f"{KEY_FILE} is missing, and the data folder holds what was stored under it. {RESTORE}")
        _create_key(path)
    try:
        key = path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{KEY_FILE} in the data folder cannot be read ({type(error).__name__}). {RESTORE}") from None
    if len(key) != KEY_BYTES:
        raise SettingsError(f"{KEY_FILE} in the data folder has {len(key)} bytes instead of {KEY_BYTES}. {RESTORE}")
    _refuse_another(data_dir / CHECK_FILE, key, proves)
    return key


def _refuse_another(check: Path, key: bytes, proves: Callable[[bytes], bool | None]) -> None:
    """Compare a key with the check value, or else with what is stored, and keep the check value where it is missing."""
    expected = keyed_digest(key, "key-check").hex()
    try:
        found = check.read_text().strip()
    except (OSError, UnicodeDecodeError):
        found = ""
    if hmac.compare_digest(found.encode(), expected.encode()):
        return
    proven = proves(key)
    if proven is False or (found and not proven):
        raise SettingsError(f"{KEY_FILE} is not the key that this data folder was written under. {RESTORE}")
    # A folder of an earlier version has no check value yet. One that cannot be written to is looked at all the same.
    with suppress(OSError):
        draft = check.with_name(f".{CHECK_FILE}-{secrets.token_hex(8)}")
        draft.touch(mode=0o600)
        draft.write_text(expected)
        draft.replace(check)


def _create_key(path: Path) -> None:
    """Create the key file completely, or leave the one that another process created first."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{KEY_FILE}-{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_bytes(KEY_BYTES))
        file.flush()
        os.fsync(file.fileno())
    try:
        # A hard link fails if the name exists, where a rename would replace the key that another process already uses.
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def keyed_digest(key: bytes, purpose: str, *parts: str | bytes) -> bytes:
    """The 32-byte HMAC-SHA-256 of `parts` under `key`.

    Digests for different purposes are unrelated, and different sequences of parts never hash the same bytes: ("ab", "c"), ("a", "bc").

    Args:
        key: the installation's secret.
        purpose: domain of the hash, e.g. "patient"; it decides stored names and must not change.
        parts: what is hashed.

    Source: RFC 2104.
    """
    mac = hmac.new(key, digestmod=sha256)
    for part in (purpose, *parts):
        data = part.encode() if isinstance(part, str) else part
        mac.update(len(data).to_bytes(8, "big"))  # the length first, so that parts cannot run into each other
        mac.update(data)
    return mac.digest()


def keyed_hex(key: bytes, purpose: str, *parts: str | bytes) -> str:
    """The first 16 hexadecimal digits (64 bits) of `keyed_digest`."""
    return keyed_digest(key, purpose, *parts).hex()[:16]
