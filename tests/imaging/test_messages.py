"""Messages between processes: what a process that was taken over may send is refused, not read."""

import io
import json

import pytest

from dpmed_core.imaging.messages import LONGEST_LINE, MOST_BYTES, receive, send


def received(data: bytes):
    return receive(io.BytesIO(data))


@pytest.mark.parametrize("body", [b"", b"\x00\n\xff" * 1000, memoryview(bytes(range(256)))])
def test_a_message_arrives_as_it_was_sent(body):
    stream = io.BytesIO()
    send(stream, {"path": "a\udc80\u00e9\n", "values": [0.1, None]}, body)
    stream.seek(0)
    assert receive(stream) == ({"path": "a\udc80\u00e9\n", "values": [0.1, None], "n_bytes": len(bytes(body))}, bytes(body))


def test_the_end_before_a_message_is_an_end():
    with pytest.raises(EOFError):
        received(b"")


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x04cos\nsystem\n",  # the start of a pickle that would run a program
        b"[]\n",
        b"1\n",
        b"not json\n",
        b"\xff\xfe\n",
        b"[" * 100_000 + b"\n",
        json.dumps({"n_bytes": -1}).encode() + b"\n",
        json.dumps({"n_bytes": MOST_BYTES + 1}).encode() + b"\n",
        json.dumps({"n_bytes": "5"}).encode() + b"\n",
        json.dumps({"n_bytes": 5}).encode() + b"\nabc",
        b"{" + b" " * LONGEST_LINE,
    ],
    ids=range(11),
)
def test_what_is_no_message_is_refused(data):
    with pytest.raises(ConnectionError):
        received(data)
