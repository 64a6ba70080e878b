"""The script in Streamlit's page, and the headers of that page."""

import asyncio

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from widgets.address.served import ADDRESS_ROUTES, HEAD, SCRIPT_PATH, ScriptedPage, script, with_script
from widgets.web_security import PAGE

HTML = "<!DOCTYPE html><html><head><title>é</title></head><body>" + "x" * 5000 + "</body></html>"
OPENED = [(b"accept", b"text/html,*/*"), (b"accept-encoding", b"gzip"), (b"if-none-match", b'"old"')]


async def page(request):
    return HTMLResponse(HTML, headers={"ETag": '"old"', "Last-Modified": "yesterday", "Cache-Control": "no-cache"})


async def data(request):
    return JSONResponse({"head": "<head>"})


def answer(path: str, headers: list[tuple[bytes, bytes]]) -> tuple[int, dict[str, str], bytes]:
    routes = [*ADDRESS_ROUTES, Route("/fairness", page), Route("/data", data), Route("/gone", lambda request: Response("<head>", 404))]
    app = ScriptedPage(Starlette(routes=routes, middleware=[Middleware(GZipMiddleware, minimum_size=100)]))
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": headers, "server": ("localhost", 1)}
    asyncio.run(app(scope, receive, send))
    given = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], given, b"".join(message.get("body", b"") for message in sent[1:])


def test_a_page_loads_the_script_before_anything_else_and_is_never_taken_from_an_old_copy():
    status, headers, body = answer("/fairness", OPENED)
    assert status == 200 and body.decode() == HTML.replace("<head>", f'<head><script src="./{SCRIPT_PATH}/{script()[0]}"></script>')
    assert int(headers["content-length"]) == len(body) and headers["cache-control"] == "no-cache"
    assert not {"etag", "last-modified", "content-encoding"} & headers.keys()


@pytest.mark.parametrize(("path", "status"), [("/data", 200), ("/gone", 404)])
def test_whatever_is_no_page_is_left_alone(path, status):
    found, _, body = answer(path, OPENED)
    assert found == status and b"<script" not in body


def test_the_script_is_served_under_its_own_name_alone():
    name, text = script()
    status, headers, body = answer(f"/{SCRIPT_PATH}/{name}", [])
    assert (
        (status, body) == (200, text) and headers["content-type"].startswith("text/javascript") and "immutable" in headers["cache-control"]
    )
    assert answer(f"/{SCRIPT_PATH}/history.js", [])[0] == 404


def test_streamlits_page_has_the_place_for_it():
    text = PAGE.read_bytes()
    assert text.count(HEAD) == 1 and with_script(text).index(b"api/address") < with_script(text).index(b"static/js")
