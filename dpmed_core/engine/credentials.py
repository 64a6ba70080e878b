"""The engine's credentials: a certificate that only this user can read.

Dask's messages are pickles, so anyone who can send them to the scheduler can run code. Both sides of a connection therefore present a
certificate that only the owner of the data folder can read.
"""

import datetime
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from distributed.security import Security

VALID_FROM, VALID_UNTIL = (datetime.datetime(year, 1, 1, tzinfo=datetime.UTC) for year in (2000, 9999))
"""Always: each engine makes its own pair and believes no other, and a clock that is set must not keep its workers from it."""


@dataclass(frozen=True)
class Credentials:
    """Paths of a self-signed certificate and its private key."""

    certificate: Path
    private_key: Path

    def security(self) -> "Security":
        """The same as Dask takes it: connections are encrypted, and both sides are authenticated."""
        from distributed.security import Security

        certificate, private_key = str(self.certificate), str(self.private_key)
        return Security(
            require_encryption=True,
            tls_ca_file=certificate,
            **{
                f"tls_{role}_{what}": path
                for role in ("client", "scheduler", "worker")
                for what, path in (("cert", certificate), ("key", private_key))
            },
        )


def make_credentials(folder: Path) -> Credentials:
    """New credentials in `folder` (mode 0700), in files of mode 0600; earlier ones are replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "dpmed-engine")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(VALID_FROM)
        .not_valid_after(VALID_UNTIL)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    made = Credentials(folder / "engine.crt", folder / "engine.key")
    _write_private(made.certificate, certificate.public_bytes(serialization.Encoding.PEM))
    _write_private(
        made.private_key,
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )
    return made


def _write_private(path: Path, data: bytes) -> None:
    # Created with its mode, so that it is never readable by others, not even before the first byte; O_EXCL refuses a planted link.
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
