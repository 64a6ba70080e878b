"""What is chosen, decided from the addresses that the browser reports and from a person's gestures; no Streamlit.

Every request of the browser reports an address, which is one of:

- said: a link that was opened, a reload, a move back or forward. It wins.
- an echo: what the session wrote into the address, now or some time ago, since messages take time in both directions. It says nothing.
- empty, after a click on a page's name: the page shows what was chosen last.

Values cannot tell the second from the first: a move back reports what was written before, and so does a slow browser. Two marks in the
address tell them apart, which `history.js` keeps out of sight. `moved=3` is the browser's: the third move since the document was loaded.
`entry=new-3-fairness` is the session's: for the page Fairness, to be a new entry of the history (`same`: in place of the present one),
written after the third move was heard, so that the browser leaves out what belongs to an entry that was left. `entry=link-2` marks links
inside pages.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

ENTRY, MOVED = "entry", "moved"
SAME, NEW, LINK = "same", "new", "link"
MOST_KNOWN = 200
"""Addresses without marks that are remembered; each is a few dozen bytes."""


@dataclass
class Address:
    """The address of one session's page, and all that was chosen in the session.

    Attributes:
        page: the page that the address belongs to; None before anything was heard.
        current: what the address says, or will say once it is written.
        chosen: the last value of every choice, whatever the page; a page that is clicked on shows them.
        exact: the address was said for this page, so that what it leaves out has its default, as in a link opened in a new tab.
        n_said: how often an address was said.
        n_moves: the number of the last move back or forward that was heard.
        n_links: links inside pages that were followed.
        unwritten: how the address is to be written, `SAME` or `NEW`; None where it is written.
    """

    page: str | None = None
    current: dict[str, str] = field(default_factory=dict)
    chosen: dict[str, str] = field(default_factory=dict)
    exact: bool = False
    n_said: int = 0
    n_moves: int = 0
    n_links: int = 0
    unwritten: str | None = None
    _known: dict[frozenset[tuple[str, str]], None] = field(default_factory=dict)

    def hear(self, page: str, report: Mapping[str, str]) -> None:
        """Take in an address that the browser reports for `page`; what was heard before changes nothing."""
        values = {name: value for name, value in report.items() if name not in (ENTRY, MOVED)}
        first, arrived = self.page is None, page != self.page
        how, number = _mark(report.get(ENTRY, ""))
        moved = _number(report.get(MOVED, ""))
        self.page = page
        if first:
            # A browser that outlives its session goes on counting.
            self.n_moves = max(moved, number if how in (SAME, NEW) else 0)
            self._say(values, exact=True, write=SAME if report.keys() != values.keys() else None)
        elif moved > self.n_moves:
            self.n_moves = moved
            self._say(values, exact=True, write=SAME)
        elif how == LINK and number >= self.n_links:
            self.n_links = number + 1
            self._say(values, exact=False, write=SAME if arrived else NEW)
        elif values and ENTRY not in report and MOVED not in report and frozenset(values.items()) not in self._known:
            self._say(values, exact=False, write=SAME)
        elif arrived:
            self.current, self.exact = {}, False

    def value(self, name: str) -> str | None:
        """What is chosen under `name`; None where nothing is, so that the default holds."""
        if name in self.current or self.exact:
            return self.current.get(name)
        return self.chosen.get(name)

    def choose(self, name: str, value: str) -> None:
        """A person's gesture: a new entry of the history."""
        if self.current.get(name) != value:
            self.current[name] = value
            self.unwritten = NEW
        self.chosen[name] = value

    def show(self, name: str, value: str) -> None:
        """What the page shows where nothing was chosen, written in place of the present entry."""
        if self.current.get(name) != value:
            self.current[name] = value
            self.unwritten = self.unwritten or SAME
        self.chosen[name] = value

    def go(self, name: str, value: str | None) -> None:
        """A person's step to something that only this address names, such as an import; None: away from it."""
        if self.current.get(name) != value:
            self.current.pop(name, None)
            self.current |= {name: value} if value is not None else {}
            self.unwritten = NEW

    def forget(self, name: str) -> None:
        """Have `name` at its default again."""
        self.chosen.pop(name, None)
        if self.current.pop(name, None) is not None:
            self.unwritten = self.unwritten or SAME

    def to_write(self, path: str) -> dict[str, str] | None:
        """The address with its mark, where it has to be written; `path` is the page's, as the browser knows it."""
        return None if self.unwritten is None else {**self.current, ENTRY: f"{self.unwritten}-{self.n_moves}-{path}"}

    def written(self) -> None:
        """The browser is told what `to_write` gave."""
        self._know(self.current)
        self.unwritten = None

    def _say(self, values: dict[str, str], *, exact: bool, write: str | None) -> None:
        self.current, self.exact = dict(values), exact
        self.chosen |= values
        self.n_said += 1
        self.unwritten = write
        self._know(values)

    def _know(self, values: Mapping[str, str]) -> None:
        key = frozenset(values.items())
        self._known.pop(key, None)
        self._known[key] = None
        if len(self._known) > MOST_KNOWN:
            del self._known[next(iter(self._known))]


def _mark(text: str) -> tuple[str, int]:
    how, number, *_ = [*text.split("-", 2), ""]
    return (how, _number(number)) if how in (SAME, NEW, LINK) and _is_count(number) else ("", 0)


def _number(text: str) -> int:
    return int(text) if _is_count(text) else 0


def _is_count(text: str) -> bool:
    """Whether it is a count: anybody can write an address."""
    return text.isascii() and text.isdigit() and len(text) < 10
