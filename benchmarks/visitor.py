"""People on a page without browsers: each a session of the server over its WebSocket, as Streamlit's own page in a browser keeps one.

What a browser does with what it is sent, drawing, is left out; what it asks the server for is not: parts that renew themselves are asked
for at their interval, and whoever fills in a form sends what a browser would send. So one small machine can be forty people at once.
"""

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Delta_pb2 import Delta
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.asyncio.client import ClientConnection, connect

FORMATS = ("markdown", "alert")
"""Elements that hold text as their `body`."""
OPENING_SECONDS = 600
LARGEST_MESSAGE = 64 * 2**20


class Visitor:
    """One person with one page open. Use `async with`.

    Args:
        address: of a page, as a browser's line of address holds it.

    Attributes:
        whole_runs: how often the server has drawn the whole page for this person to its end.
        last_whole: the number of the last page that was drawn to its end, of all that were begun.
        failed: what the server said where drawing ended in an error.
    """

    def __init__(self, address: str) -> None:
        found = urlsplit(address)
        self._server = f"ws://{found.netloc}/_stcore/stream"
        self._page, self._query, self._page_hash = found.path.strip("/"), found.query, ""
        self._elements: dict[tuple[int, ...], Any] = {}
        self._drawn: set[tuple[int, ...]] = set()
        self._values: dict[str, WidgetState] = {}
        self._renewals: dict[str, asyncio.Task[None]] = {}
        self._news = asyncio.Condition()
        self._is_whole_run = True
        self.whole_runs = self.last_whole = self._begun = 0
        self.failed: list[str] = []
        self._socket: ClientConnection

    async def __aenter__(self) -> "Visitor":
        """Connect, and ask for the page."""
        self._socket = await connect(
            self._server, subprotocols=["streamlit"], max_size=LARGEST_MESSAGE, open_timeout=OPENING_SECONDS, ping_timeout=OPENING_SECONDS
        )  # type: ignore[list-item]
        self._listening = asyncio.create_task(self._listen())
        await self._ask()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the page."""
        for task in (*self._renewals.values(), self._listening):
            task.cancel()
        await self._socket.close()

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait until `holds` after anything has changed on the page.

        Raises:
            ConnectionError: the server closed the connection.
        """
        async with self._news:
            await self._news.wait_for(lambda: self._listening.done() or holds())
        if self._listening.done():
            self._listening.result()  # raises what went wrong
            raise ConnectionError("The server closed the connection.")

    def widget(self, kind: str, label: str) -> Any:
        """The element of `kind` ("text_area", "selectbox", "button", ...) that is called `label`; None where there is none now."""
        elements = (getattr(element, kind) for element in self._elements.values() if element.WhichOneof("type") == kind)
        return next((element for element in elements if element.label == label), None)

    def says(self, text: str) -> bool:
        """Whether `text` stands in a paragraph or notice of the page."""
        return any(
            text in getattr(element, kind).body
            for kind in FORMATS
            for element in self._elements.values()
            if element.WhichOneof("type") == kind
        )

    async def fill(self, kind: str, label: str, value: str) -> None:
        """Type `value` into, or choose it in, the input `label`; outside a form the server is told at once."""
        await self.until(lambda: self.widget(kind, label))
        widget = self.widget(kind, label)
        self._values[widget.id] = WidgetState(id=widget.id, string_value=value)
        if not widget.form_id:
            begun = self._begun
            await self._ask()
            await self.until(lambda: self.last_whole > begun)

    async def press(self, label: str) -> None:
        """Press the button `label`, with all that is filled in, and wait until the page that answers is drawn."""
        await self.until(lambda: self.widget("button", label))
        begun = self._begun
        await self._ask(pressed=self.widget("button", label).id)
        await self.until(lambda: self.last_whole > begun)

    async def _ask(self, *, pressed: str = "", part: str = "") -> None:
        """Ask the server to draw the page, or its `part`, with what is filled in."""
        message = BackMsg()
        asked = message.rerun_script
        asked.query_string, asked.page_name, asked.page_script_hash = self._query, self._page, self._page_hash
        asked.fragment_id, asked.is_auto_rerun = part, bool(part)
        here = {getattr(element, element.WhichOneof("type")).id for element in self._elements.values() if _is_widget(element)}
        asked.widget_states.widgets.extend(value for name, value in self._values.items() if name in here)
        if pressed:
            asked.widget_states.widgets.append(WidgetState(id=pressed, trigger_value=True))
        await self._socket.send(message.SerializeToString())

    async def _listen(self) -> None:
        """Keep what the server sends, until it hangs up."""
        try:
            async for received in self._socket:
                assert isinstance(received, bytes)
                message = ForwardMsg.FromString(received)
                async with self._news:
                    self._take(message)
                    self._news.notify_all()
        finally:
            async with self._news:
                self._news.notify_all()

    def _take(self, message: ForwardMsg) -> None:
        """What a browser keeps of a message."""
        kind = message.WhichOneof("type")
        if kind == "new_session":
            self._begin(is_whole_run=not message.metadata.run.fragment_ids)
        elif kind == "delta":
            self._draw(tuple(message.metadata.delta_path), message.delta)
        elif kind == "navigation":
            self._page_hash = message.navigation.page_script_hash
        elif kind == "page_info_changed":
            self._query = message.page_info_changed.query_string
        elif kind == "auto_rerun":
            renewal = message.auto_rerun
            self._renewals[renewal.fragment_id] = asyncio.create_task(self._renew(renewal.fragment_id, renewal.interval))
        elif kind == "script_finished" and self._is_whole_run and message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
            self.whole_runs, self.last_whole = self.whole_runs + 1, self._begun
            self._elements = {place: self._elements[place] for place in self._drawn}

    def _begin(self, *, is_whole_run: bool) -> None:
        self._is_whole_run, self._drawn = is_whole_run, set()
        if is_whole_run:
            self._begun += 1
            for task in self._renewals.values():
                task.cancel()
            self._renewals = {}

    def _draw(self, place: tuple[int, ...], delta: Delta) -> None:
        if delta.WhichOneof("type") == "add_block":
            self._elements.pop(place, None)
            self._drawn.discard(place)
        elif delta.WhichOneof("type") == "new_element":
            self._elements[place] = delta.new_element
            self._drawn.add(place)
            if delta.new_element.WhichOneof("type") == "exception":
                self.failed.append(delta.new_element.exception.message)

    async def _renew(self, part: str, seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds)
            await self._ask(part=part)


def _is_widget(element: Any) -> bool:
    return bool(getattr(getattr(element, element.WhichOneof("type") or "", None), "id", ""))
