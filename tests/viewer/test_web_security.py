"""Where the dashboard listens, by which names it answers, and what its headers say."""

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from dpmed_core.errors import SettingsError
from dpmed_core.settings import Settings
from widgets.document.served import CompletedDocument
from widgets.web_security import HEADERS, GuardedServer, content_security_policy, is_loopback, refuse_open_address


def guarded(**settings):
    app = Starlette(routes=[Route("/", lambda request: PlainTextResponse("page"))])
    return GuardedServer(app, Settings(**settings))


def refusal(guard, *, kind="http", server=("127.0.0.1", 8501), **headers):
    scope = {"type": kind, "server": server, "headers": [(name.encode(), value.encode()) for name, value in headers.items()]}
    refused = guard.refusal(scope)
    return refused and refused[0]


@pytest.mark.parametrize("address", ["localhost", "127.0.0.1", "127.3.2.1", "::1"])
def test_an_address_of_this_machine_alone_is_taken(address):
    refuse_open_address(address, Settings())
    assert is_loopback(address)


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.0.2.1", "dpmed.example", "", None])
def test_any_other_address_needs_the_setting(address):
    with pytest.raises(SettingsError, match=r"no TLS.*DPMED_OPEN_TO_NETWORK=1") as raised:
        refuse_open_address(address, Settings())
    assert "\n" not in str(raised.value)
    refuse_open_address(address, Settings(open_to_network=True))


def test_a_request_from_another_machine_is_refused_whatever_server_runs_the_application():
    assert refusal(guarded(), server=("192.0.2.1", 8501), host="192.0.2.1:8501") == 403
    assert refusal(guarded(open_to_network=True), server=("192.0.2.1", 8501), host="192.0.2.1:8501") is None
    assert refusal(guarded(), server=("/run/dpmed.sock", None), host="localhost") is None


@pytest.mark.parametrize(
    ("host", "settings", "status"),
    [
        ("localhost:8501", {}, None),
        ("LOCALHOST", {}, None),
        ("127.0.0.1:8501", {}, None),
        ("[::1]:8501", {}, None),
        ("evil.example:8501", {}, 421),
        ("localhost.evil.example", {}, 421),
        ("a b", {}, 421),
        ("[", {}, 421),
        ("", {}, 421),
        ("dpmed.example", {"hosts": "dpmed.example, other.example"}, None),
        ("OTHER.example:443", {"hosts": "dpmed.example, other.example"}, None),
        ("x.dpmed.example", {"hosts": "dpmed.example"}, 421),
    ],
)
def test_only_its_own_names_are_answered(host, settings, status):
    assert refusal(guarded(**settings), host=host) == status


@pytest.mark.parametrize(
    ("origin", "settings", "status"),
    [
        ("http://localhost:8501", {}, None),
        ("http://localhost:9999", {}, 403),
        ("http://127.0.0.1:8501", {}, 403),
        ("https://dpmed.example", {"hosts": "dpmed.example"}, None),
        ("https://evil.example", {"hosts": "dpmed.example"}, 403),
        ("null", {}, 403),
        ("http://[", {}, 403),
    ],
)
def test_only_its_own_pages_open_a_websocket(origin, settings, status):
    assert refusal(guarded(**settings), kind="websocket", host="localhost:8501", origin=origin) == status
    assert refusal(guarded(**settings), host="localhost:8501", origin=origin) is None, "of pages, the browser asks by itself"


@pytest.mark.parametrize(("host", "status", "content"), [("localhost", 200, b"page"), ("evil.example", 421, b"This server is not known")])
def test_every_answer_has_the_headers(host, status, content, client_of):
    answer = client_of(guarded()).get("/", {"Host": host})
    assert answer.status_code == status and answer.content.startswith(content)
    given = {name.lower(): value for name, value in answer.headers.items()}
    expected = {**HEADERS, "Content-Security-Policy": content_security_policy()}
    assert {name: given.get(name.lower()) for name in expected} == expected


def test_the_policy_names_no_other_host_and_no_script_of_the_page_itself():
    policy = dict(part.split(" ", 1) for part in content_security_policy().split("; "))
    assert policy["default-src"] == "'none'" and policy["frame-ancestors"] == "'none'"
    assert "'unsafe-inline'" not in policy["script-src"] and "'unsafe-eval'" not in policy["script-src"]
    assert not [source for sources in policy.values() for source in sources.split() if "." in source or "*" in source or source == "http:"]


def test_the_application_is_guarded():
    from app import app

    assert [one.cls for one in app._user_middleware if isinstance(one, Middleware)] == [GuardedServer, CompletedDocument]
