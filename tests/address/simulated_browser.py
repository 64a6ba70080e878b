"""A browser and a server in one process, with messages that take their time: `history.js` and Streamlit, as far as the address goes."""

import random
from collections import deque
from dataclasses import dataclass, field

from widgets.address.state import ENTRY, MOVED, Address

DEFAULTS = {
    "utility": {"finding": "mean", "epsilon": "1", "detail": "cost"},
    "fairness": {"finding": "mean", "epsilon": "1", "group": "sex"},
}
"""The pages, their choices and what those are by default."""

Values = dict[str, str]


@dataclass
class Entry:
    page: str
    values: Values


@dataclass
class Request:
    """What a browser sends: the page it shows, the address it knows, and the widget that was moved."""

    page: str
    report: Values
    gesture: tuple[str, str] | None = None


@dataclass
class Server:
    """A session: it hears, shows a page's choices one after another, and may be cut short after any of them by the next request."""

    chance: random.Random
    address: Address = field(default_factory=Address)
    shown: Values = field(default_factory=dict)

    def run(self, request: Request, *, steps: int) -> list[tuple[str, str, Values]]:
        """The writes of a run that draws so many choices."""
        written: list[tuple[str, str, Values]] = []
        if request.gesture is not None:
            self.address.hear(request.page, request.report)
            self.address.choose(*request.gesture)
            self._write(request.page, written)
        for name, default in [*DEFAULTS[request.page].items()][:steps]:
            self.address.hear(request.page, request.report if not written else written[-1][2])
            self.shown[name] = self.address.value(name) or default
            self.address.show(name, self.shown[name])
            self._write(request.page, written)
        return written

    def _write(self, page: str, written: list[tuple[str, str, Values]]) -> None:
        if (values := self.address.to_write(page)) is not None:
            written.append(("write", page, values))
            self.address.written()


@dataclass
class Browser:
    """A tab with its history; requests and answers arrive in their order, whenever `chance` lets them."""

    chance: random.Random
    server: Server
    entries: list[Entry] = field(default_factory=list)
    at: int = 0
    known: Values = field(default_factory=dict)
    moves: int = 0
    page: str = ""
    requests: "deque[Request]" = field(default_factory=deque)
    answers: "deque[tuple[str, str, Values]]" = field(default_factory=deque)
    held: tuple[str, Values] | None = None
    unheard: bool = False

    @property
    def entry(self) -> Entry:
        return self.entries[self.at]

    def open(self, page: str, values: Values) -> None:
        """A new document, and a session of its own; what was under way is lost."""
        self.entries, self.at = [*self.entries[: self.at + 1], Entry(page, dict(values))], min(self.at + 1, len(self.entries))
        self._load()

    def reload(self) -> None:
        self._load()

    def gesture(self, name: str, value: str) -> None:
        self.requests.append(Request(self.page, self._report(), (name, value)))

    def refresh(self) -> None:
        """A part of the page that draws itself anew."""
        self.requests.append(Request(self.page, self._report()))

    def click(self, page: str) -> None:
        self.known, self.unheard = {}, False
        self.requests.append(Request(page, {}))

    def move(self, by: int) -> bool:
        if not 0 <= self.at + by < len(self.entries):
            return False
        self.at += by
        self.moves += 1
        self.held, self.unheard = None, True
        self.known = {**self.entry.values, MOVED: str(self.moves)}
        self.requests.append(Request(self.entry.page, dict(self.known)))
        return True

    def let_pass(self) -> bool:
        """Let one message arrive; False where none is under way."""
        ways = [way for way in (self.requests, self.answers) if way]
        if not ways:
            return False
        if self.chance.choice(ways) is self.requests:
            request = self.requests.popleft()
            # The next request may cut a run short after it has heard; whatever it did not draw, the next one draws.
            steps = self.chance.randint(1, 3) if self.requests else 3
            self.answers += [("page", request.page, {}), *self.server.run(request, steps=steps)]
        else:
            self._receive(*self.answers.popleft())
        return True

    def rest(self) -> None:
        while self.let_pass():
            pass

    def _load(self) -> None:
        self.server.address, self.server.shown = Address(), {}
        self.known, self.moves, self.page, self.held, self.unheard = {}, 0, self.entry.page, None, False
        self.requests.clear()
        self.answers.clear()
        self.requests.append(Request(self.page, self._report()))

    def _report(self) -> Values:
        return dict(self.known or self.entry.values)

    def _receive(self, kind: str, page: str, values: Values) -> None:
        if kind == "page":
            self.page = page
            if page != self.entry.page and not self.unheard:
                self._push(page, {name: value for name, value in self.known.items() if name not in (ENTRY, MOVED)})
                if self.held and self.held[0] == page:
                    self.entry.values = self.held[1]
                self.held = None
            return
        self.known = values
        how, heard, of_page = values[ENTRY].split("-", 2)
        bare = {name: value for name, value in values.items() if name != ENTRY}
        if int(heard) < self.moves:
            return
        self.unheard = False
        if of_page != self.entry.page:
            self.held = (of_page, bare)
        elif how == "new" and bare != self.entry.values:
            self._push(of_page, bare)
        else:
            self.entry.values = bare

    def _push(self, page: str, values: Values) -> None:
        self.entries, self.at = [*self.entries[: self.at + 1], Entry(page, dict(values))], self.at + 1
