"""Duties that a process does again and again, whatever goes wrong meanwhile: what the server's keeper and the engine's loop are made of.

A duty that fails is logged once for each distinct fault and done again later, at intervals that double up to a minute; the others are not
held up by it.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dpmed_core.errors import in_words

log = logging.getLogger(__name__)

FIRST_DELAY_SECONDS, LONGEST_DELAY_SECONDS = 2.0, 60.0


@dataclass
class _Duty:
    """Something to do at every look.

    Attributes:
        do: does it.
        fault: what went wrong the last time; empty where nothing did.
        delay: seconds from that fault to the next try.
        due: when it is to be tried again, on the duties' clock.
    """

    do: Callable[[], None]
    fault: str = ""
    delay: float = 0.0
    due: float = 0.0


class Duties:
    """Duties by name; `look` does those that are due, and never raises."""

    def __init__(self, duties: Mapping[str, Callable[[], None]], clock: Callable[[], float] = time.monotonic) -> None:
        """Remember `duties` by name; nothing is done yet."""
        self._duties = {name: _Duty(do) for name, do in duties.items()}
        self._clock = clock
        self._answered_at = clock()

    def look(self, *, at_once: bool = False) -> None:
        """Do every duty that is due, or all of them `at_once`."""
        for name, duty in self._duties.items():
            if at_once or self._clock() >= duty.due:
                self._do(name, duty)
        self._answered_at = self._clock()

    def faults(self) -> dict[str, str]:
        """What goes wrong at present, by name of the duty."""
        return {name: duty.fault for name, duty in self._duties.items() if duty.fault}

    def silent_seconds(self) -> float:
        """Time since the last look ended, in seconds."""
        return self._clock() - self._answered_at

    def _do(self, name: str, duty: _Duty) -> None:
        try:
            duty.do()
        except Exception as error:  # noqa: BLE001 (a loop that ends at a fault would leave runs queued for good)
            fault = in_words(error)
            if fault != duty.fault:
                log.warning("%s: %s", name, fault)
            duty.fault = fault
            duty.delay = min(max(2 * duty.delay, FIRST_DELAY_SECONDS), LONGEST_DELAY_SECONDS)
            duty.due = self._clock() + duty.delay
            return
        if duty.fault:
            log.info("%s: works again", name)
            duty.fault, duty.delay = "", 0.0
