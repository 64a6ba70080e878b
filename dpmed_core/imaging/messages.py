"""Messages to and from processes that decode files: a line of JSON, then as many bytes as its field `n_bytes` says.

A decoder may have been taken over by the file that it read. Nothing that it sends is ever unpickled, since a pickle can run code, and no
message may be longer than its reader allows.
"""

import io
import json
from collections.abc import Mapping
from typing import IO, Any

Stream = IO[bytes] | io.BufferedRWPair
LONGEST_LINE = 1 << 26
"""Bytes of JSON: what is said of the images of a chunk is some kilobytes."""
MOST_BYTES = 1 << 32


def send(stream: Stream, head: Mapping[str, object], body: bytes | memoryview = b"") -> None:
    """Write one message to `stream`."""
    stream.write(json.dumps({**head, "n_bytes": memoryview(body).nbytes}).encode() + b"\n")
    stream.write(body)
    stream.flush()


def receive(stream: Stream) -> tuple[dict[str, Any], bytes]:
    """The next message on `stream`, head and body.

    Raises:
        EOFError: the other side has closed it before a message began.
        ConnectionError: the message ends too early, or is none.
    """
    line = stream.readline(LONGEST_LINE)
    if not line:
        raise EOFError
    try:
        head = json.loads(line)
        n_bytes = head.get("n_bytes", 0)
    except (ValueError, RecursionError, AttributeError):
        raise ConnectionError from None
    if not isinstance(n_bytes, int) or not 0 <= n_bytes <= MOST_BYTES:
        raise ConnectionError
    body = stream.read(n_bytes)
    if len(body) != n_bytes:
        raise ConnectionError
    return head, body
