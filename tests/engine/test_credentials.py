"""Who may speak to the engine: whoever can read the certificate's key in the data folder, and nobody else."""

import socket
import ssl
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dpmed_core.engine.credentials import Credentials, make_credentials


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Credentials:
    """The credentials of the engine."""
    return make_credentials(tmp_path_factory.mktemp("own") / "tls")


@pytest.fixture
def address(own: Credentials) -> Iterator[tuple[str, int]]:
    """Where a server answers as the scheduler does: it sends one byte to each client that it accepts."""
    context = own.security().get_listen_args("scheduler")["ssl_context"]
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                    connection.settimeout(10)
                    with context.wrap_socket(connection, server_side=True) as secure:
                        secure.sendall(b"1")
                except ssl.SSLError:
                    continue
                except OSError:
                    return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()
        server.shutdown(socket.SHUT_RDWR)
    thread.join(timeout=10)


def answer(address: tuple[str, int], context: ssl.SSLContext) -> bytes:
    with socket.create_connection(address, timeout=10) as plain, context.wrap_socket(plain) as secure:
        return secure.recv(1)


def is_answered(address: tuple[str, int], context: ssl.SSLContext) -> bool:
    try:
        return answer(address, context) == b"1"
    except (ssl.SSLError, ConnectionError):
        return False


def test_the_engines_own_credentials_are_accepted(own: Credentials, address: tuple[str, int]) -> None:
    assert answer(address, own.security().get_connection_args("client")["ssl_context"]) == b"1"


def test_a_client_without_a_certificate_is_refused(address: tuple[str, int]) -> None:
    anybody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    assert not is_answered(address, anybody)


def test_another_installations_certificate_is_refused(own: Credentials, address: tuple[str, int], tmp_path: Path) -> None:
    other = make_credentials(tmp_path / "tls")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(other.certificate, other.private_key)
    assert not is_answered(address, context)


def test_a_scheduler_with_another_certificate_is_not_believed(address: tuple[str, int], tmp_path: Path) -> None:
    other = make_credentials(tmp_path / "tls")
    with pytest.raises(ssl.SSLCertVerificationError):
        answer(address, other.security().get_connection_args("client")["ssl_context"])


def test_the_key_is_its_owners_alone(own: Credentials) -> None:
    assert stat.S_IMODE(own.private_key.stat().st_mode) == 0o600
    assert stat.S_IMODE(own.private_key.parent.stat().st_mode) == 0o700


def test_a_planted_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "tls", tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "engine.key").symlink_to(elsewhere)
    assert not make_credentials(folder).private_key.is_symlink()
    assert not elsewhere.exists()
