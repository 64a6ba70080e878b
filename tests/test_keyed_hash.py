"""Keyed hashes: one secret an installation, owner-only, and no two meanings of one digest."""

import hmac
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import pytest

from dpmed_core.errors import SettingsError
from dpmed_core.keyed_hash import installation_key, keyed_digest


def test_the_key_is_made_once_and_readable_by_its_owner_alone(tmp_path: Path) -> None:
    first = installation_key(tmp_path)
    assert installation_key(tmp_path) == first
    assert (tmp_path / "secret.key").stat().st_mode & 0o777 == 0o600


def test_processes_that_make_the_key_at_once_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        keys = set(pool.map(lambda _: installation_key(tmp_path), range(64)))
    assert len(keys) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["secret.key", "secret.key.check"]


def test_a_damaged_key_is_reported_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "secret.key").write_bytes(b"short")
    with pytest.raises(SettingsError, match=r"Restore secret\.key from a backup"):
        installation_key(tmp_path)
    assert (tmp_path / "secret.key").read_bytes() == b"short"


def test_the_digest_is_hmac_sha256_over_length_prefixed_parts() -> None:
    message = b"".join(len(part).to_bytes(8, "big") + part for part in (b"split", b"0", b"patient"))
    assert keyed_digest(b"k" * 32, "split", "0", b"patient") == hmac.new(b"k" * 32, message, sha256).digest()


def test_parts_cannot_run_into_each_other() -> None:
    assert keyed_digest(b"k" * 32, "p", "ab", "c") != keyed_digest(b"k" * 32, "p", "a", "bc")
