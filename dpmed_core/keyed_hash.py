"""Keyed hashes: identifiers that mean nothing outside this installation.

An unkeyed hash of a patient identifier can be undone by trying all identifiers, and an unkeyed hash of
data proves to whoever holds the same data that it was used. Everything that leaves the importer is
therefore hashed with a secret that never leaves the data folder.
"""

import hmac
import os
import secrets
from hashlib import sha256
from pathlib import Path

from dpmed_core.errors import SettingsError

KEY_BYTES = 32
KEY_FILE = "secret.key"


def installation_key(data_dir: Path) -> bytes:
    """The installation's secret, made at first use and readable by its owner alone (mode 0600).

    Raises:
        SettingsError: the file is not a key that this function wrote.
    """
    path = data_dir / KEY_FILE
    if not path.exists():
        _create_key(path)
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise SettingsError(f"{KEY_FILE} in the data folder is damaged: restore it from a backup, it cannot be remade.")
    return key


def _create_key(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{KEY_FILE}-{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_bytes(KEY_BYTES))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)  # fails if another process was first: its key then holds
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def keyed_digest(key: bytes, purpose: str, *parts: str | bytes) -> bytes:
    """The 32-byte HMAC-SHA-256 (RFC 2104) of `parts`, separate for each `purpose` and unambiguous in its parts."""
    mac = hmac.new(key, digestmod=sha256)
    for part in (purpose, *parts):
        data = part.encode() if isinstance(part, str) else part
        mac.update(len(data).to_bytes(8, "big"))
        mac.update(data)
    return mac.digest()


def keyed_hex(key: bytes, purpose: str, *parts: str | bytes) -> str:
    """The first 16 hexadecimal digits of `keyed_digest`."""
    return keyed_digest(key, purpose, *parts).hex()[:16]
