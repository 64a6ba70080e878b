"""Keyed hashes: identifiers that mean nothing outside this installation.

An unkeyed hash of a patient identifier can be reversed by hashing every possible identifier, and an unkeyed hash of
data proves to anyone who holds the same data that it was used. Everything that leaves the importer is
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
    """The installation's secret, created at first use and readable by its owner alone (mode 0600).

    Raises:
        SettingsError: the file does not hold a key of this length.
    """
    path = data_dir / KEY_FILE
    if not path.exists():
        _create_key(path)
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise SettingsError(
            f"{KEY_FILE} in the data folder has {len(key)} bytes instead of {KEY_BYTES}: restore it from a backup; it cannot be recreated."
        )
    return key


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
