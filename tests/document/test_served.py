"""Script and first words in Streamlit's document, and the headers of that document."""

import asyncio
import time

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from dpmed_core.errors import CohortError
from widgets.browser_programs import DOCUMENT
from widgets.document import served
from widgets.document.ahead import attributes
from widgets.document.served import BODY, HEAD, MOST_AT_ONCE, CompletedDocument, completed
from widgets.web_security import PAGE

HTML = "<!DOCTYPE html><html><head><title>é</title></head><body>" + "x" * 5000 + "</body></html>"
OPENED = [(b"accept", b"text/html,*/*"), (b"accept-encoding", b"gzip"), (b"if-none-match", b'"old"')]


async def page(request):
    return HTMLResponse(HTML, headers={"ETag": '"old"', "Last-Modified": "yesterday", "Cache-Control": "no-cache"})


async def data(request):
    return JSONResponse({"head": "<head>"})


def completing(words=None):
    routes = [Route("/fairness", page), Route("/data", data), Route("/gone", lambda request: Response("<head>", 404))]
    return CompletedDocument(Starlette(routes=routes, middleware=[Middleware(GZipMiddleware, minimum_size=100)]), words=words)


async def asked(app, path: str, headers: list[tuple[bytes, bytes]], query: bytes = b"") -> tuple[int, dict[str, str], bytes]:
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "query_string": query, "headers": headers, "server": ("localhost", 1)}
    await app(scope, receive, send)
    given = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], given, b"".join(message.get("body", b"") for message in sent[1:])


def answer(path: str, headers: list[tuple[bytes, bytes]], words=None, query: bytes = b"") -> tuple[int, dict[str, str], bytes]:
    return asyncio.run(asked(completing(words), path, headers, query))


def test_a_page_loads_the_script_before_anything_else_and_is_never_taken_from_an_old_copy():
    status, headers, body = answer("/fairness", OPENED)
    assert status == 200 and body.decode() == HTML.replace("<head>", f'<head><script src="./{DOCUMENT.address}" {attributes()}></script>')
    assert int(headers["content-length"]) == len(body) and headers["cache-control"] == "no-cache"
    assert not {"etag", "last-modified", "content-encoding"} & headers.keys()


@pytest.mark.parametrize(("path", "status"), [("/data", 200), ("/gone", 404)])
def test_whatever_is_no_page_is_left_alone(path, status):
    found, _, body = answer(path, OPENED)
    assert found == status and b"<script" not in body


def test_streamlits_page_has_the_place_for_it():
    text = PAGE.read_bytes()
    assert text.count(HEAD) == text.count(BODY) == 1 and completed(text).index(b"api/document") < completed(text).index(b"static/js")


def test_first_words_stand_in_the_document_which_nobody_keeps():
    said = []

    def words(part, address):
        said.append((part, address))
        return "<p>mass</p>"

    query = b"finding=mass+%26+nodule&epsilon="
    _, headers, body = answer("/fairness", [*OPENED, (b"sec-fetch-dest", b"document")], words, query)
    assert b"<body><p>mass</p>" in body and int(headers["content-length"]) == len(body)
    assert headers["cache-control"] == "no-store" and said == [("fairness", {"finding": "mass & nodule", "epsilon": ""})]


@pytest.mark.parametrize(
    ("under", "path", "part"),
    [
        ("", "/", ""),
        ("", "/fairness", "fairness"),
        ("", "/fairness/", "fairness"),
        ("", "/a/fairness", "a/fairness"),
        ("dpmed", "/dpmed/", ""),
        ("/dpmed/", "/dpmed/fairness", "fairness"),
        ("dpmed", "/", ""),
    ],
)
def test_words_are_of_the_page_that_the_path_names(under, path, part):
    said = []

    def words(part, address):
        said.append(part)
        return ""

    everywhere = Starlette(routes=[Route("/{path:path}", page)])
    asyncio.run(asked(CompletedDocument(everywhere, words=words, under=under), path, OPENED))
    assert said == [part]


@pytest.mark.parametrize("destination", [b"iframe", b"empty", b"image"])
def test_a_page_of_another_site_that_asks_for_the_document_makes_no_work(destination):
    def unwanted(part, address):
        raise AssertionError

    status, headers, body = answer("/fairness", [*OPENED, (b"sec-fetch-dest", destination)], unwanted)
    assert status == 200 and b"<body>x" in body and headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(("error", "n_lines"), [(CohortError("ward has Ann"), 0), (ValueError("ward has Ann"), 1)])
def test_words_that_cannot_be_made_are_left_out_and_the_log_names_no_patient(error, n_lines, caplog):
    def failing(part, address):
        raise error

    status, _, body = answer("/fairness", OPENED, failing)
    assert status == 200 and b"<body>x" in body
    assert len(caplog.messages) == n_lines and "Ann" not in caplog.text


def test_a_document_does_not_wait_for_slow_words_and_few_are_made_at_once(monkeypatch):
    monkeypatch.setattr(served, "PATIENCE", 0.01)
    made = []

    def slow(part, address):
        made.append(part)
        time.sleep(0.3)
        return "<p>late</p>"

    async def many():
        app = completing(slow)
        bodies = await asyncio.gather(*(asked(app, "/fairness", OPENED) for _ in range(MOST_AT_ONCE + 3)))
        before = len(made)
        await asyncio.sleep(0.5)  # until all are made
        await asked(app, "/fairness", OPENED)
        return [body for _, _, body in bodies], before

    bodies, before = asyncio.run(many())
    assert all(b"late" not in body for body in bodies) and before <= MOST_AT_ONCE
    assert len(made) == MOST_AT_ONCE + 1, "the next one is made again"
