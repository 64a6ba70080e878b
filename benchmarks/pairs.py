"""Timing two ways of doing one thing in turns, so that a noisy machine is as noisy to both."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import torch


@dataclass(frozen=True)
class Ratio:
    """How long ours takes for each second of the peer.

    Attributes:
        what: what was timed, sizes included.
        peer: who it is compared with.
        ours_seconds: median of the rounds.
        peer_seconds: median of the rounds.
    """

    what: str
    peer: str
    ours_seconds: float
    peer_seconds: float

    def sentence(self) -> str:
        """The ratio in one line."""
        ratio = self.ours_seconds / self.peer_seconds
        compared = f"{ratio:.2f} times as long" if ratio >= 0.1 else f"{1 / ratio:,.0f} times faster"
        return f"{self.what}: {self.ours_seconds:.4g} s, {self.peer}: {self.peer_seconds:.4g} s; {compared}"


def timed_in_turns(what: str, peer: str, ours: Callable[[], object], theirs: Callable[[], object], *, rounds: int = 5) -> Ratio:
    """`ours` and `theirs` timed alternately on one thread, after one round that does not count."""
    torch.set_num_threads(1)
    ours(), theirs()
    times: list[tuple[float, float]] = []
    for _ in range(rounds):
        times.append((_seconds(ours), _seconds(theirs)))
    return Ratio(what, peer, median(t[0] for t in times), median(t[1] for t in times))


def _seconds(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began
