"""The example for NGINX as the documents give it: TLS, two replicas, each browser at one of them; a role that is taken away there too."""

import datetime
import ipaddress
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from playwright.sync_api import expect

from dpmed_core.installation import Installation
from dpmed_core.people.roles import Role
from dpmed_core.settings import Settings
from tests.browser.conftest import ROOT, Dashboard, free_port
from tests.browser.provider import LONGEST, new_cookie_secret, provider, sign_on
from tests.browser.waiting import settle
from tests.postgres import new_database

pytestmark = pytest.mark.browser
EXAMPLE = ROOT / "docs" / "deploy" / "nginx.conf"
WHO = "grey@h.example"


def certificate(folder: Path) -> None:
    """A certificate of localhost that nobody signed, and its key."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + datetime.timedelta(days=1))
    signed = made.add_extension(names, critical=False).sign(key, hashes.SHA256())
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "dpmed.key").write_bytes(private)
    (folder / "dpmed.crt").write_bytes(signed.public_bytes(serialization.Encoding.PEM))


def adapted(folder: Path, port: int, replicas: list[int]) -> str:
    """The example with the ports and folders of a test; everything else stands as the documents give it."""
    text = EXAMPLE.read_text()
    for place, replica in zip(("8501", "8502"), replicas, strict=True):
        assert f"127.0.0.1:{place}" in text
        text = text.replace(f"127.0.0.1:{place}", f"127.0.0.1:{replica}")
    text = text.replace("listen 443 ssl", f"listen 127.0.0.1:{port} ssl").replace("dpmed.hospital.example", "localhost")
    text = text.replace("/etc/nginx/", f"{folder}/").replace("/var/log/nginx/", f"{folder}/")
    own = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    return f"pid {folder}/nginx.pid;\ndaemon off;\n" + text.replace("http {", "http {\n" + own, 1)


@pytest.fixture(scope="module")
def proxied(own_dashboard, postgres, tmp_path_factory):
    """(address of the proxy, its folder, the installation): NGINX before two replicas that share everything."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        pytest.skip("NGINX is not installed")
    folder, port = tmp_path_factory.mktemp("nginx"), free_port()
    folder.chmod(0o755)
    origin, data_dir = f"https://localhost:{port}", own_dashboard.settings.data_dir
    settings = Settings(data_dir=data_dir, workers=1, demo_cases=60, database_url=new_database(postgres), sign_on=True)
    second = Dashboard(settings, free_port())
    own_dashboard.settings = settings
    certificate(folder)
    with provider() as known:
        known.add(WHO)
        known.write_secrets(folder / "secrets.toml", origin=origin, cookie_secret=new_cookie_secret())
        (folder / "nginx.conf").write_text(adapted(folder, port, [own_dashboard.port, second.port]))
        for replica in (own_dashboard, second):
            replica.options = ("--secrets.files", str(folder / "secrets.toml"))
            replica.start()
        as_root = [program, *(["-g", "user root;"] if os.getuid() == 0 else []), "-p", str(folder), "-c", str(folder / "nginx.conf")]
        with (folder / "start.log").open("wb") as log:
            nginx = subprocess.Popen(as_root, stderr=log)
        time.sleep(1)
        assert nginx.poll() is None, (folder / "start.log").read_text()
        yield origin, folder, Installation.open(settings)
        nginx.terminate()
        nginx.wait()
        second.kill()


def test_a_sign_on_a_session_and_a_role_that_is_taken_away(proxied, browser):
    origin, folder, here = proxied
    here.directory.grant(WHO, Role.READER, by="a test")
    replicas = set()
    for _ in range(8):  # a browser of its own each time: both replicas are drawn
        context, page = sign_on(browser, origin, WHO, ignore_https_errors=True)
        failed = []
        page.on("response", lambda answer, failed=failed: failed.append((answer.status, answer.url)) if answer.status >= 500 else None)
        page.goto(f"{origin}/fairness")
        settle(page)
        expect(page.get_by_role("heading", level=1)).to_be_visible(timeout=LONGEST)
        kept = [one["value"] for one in context.cookies() if one["name"] == "dpmed_replica"]
        assert len(kept) == 1 and not failed
        replicas.update(kept)
        here.directory.revoke(WHO, None, by="a test")
        page.get_by_role("link", name="Overview").click()
        expect(page.get_by_text("who has no role here")).to_be_visible(timeout=LONGEST)
        here.directory.grant(WHO, Role.READER, by="a test")
        context.close()
        if len(replicas) == 2:
            break
    assert replicas == {"replica_a", "replica_b"}
    logged = (folder / "dpmed.log").read_text()
    assert "/fairness" in logged and "?" not in logged
    for line in logged.splitlines():
        assert not re.search(r'" 5\d\d ', line), line


def test_large_cookies_and_uploads_pass(proxied, browser):
    origin, _, _ = proxied
    with browser.new_context(ignore_https_errors=True) as context:
        # As of a provider that lists many groups.
        context.add_cookies([{"name": f"large_{n}", "value": "x" * 3900, "url": origin} for n in range(6)])
        assert context.request.get(f"{origin}/overview").status == 200
