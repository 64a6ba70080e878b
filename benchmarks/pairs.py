"""Timing of alternatives in turns, so that a noisy machine affects all of them alike."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

import numpy as np
import torch


@dataclass(frozen=True)
class Pair:
    """Medians over rounds, in seconds."""

    ours_seconds: float
    peer_seconds: float


def timed_in_turns(ours: Callable[[], object], theirs: Callable[[], object], *, rounds: int = 5) -> Pair:
    """Median times of `ours` and `theirs`, which alternate on one thread, after a warm-up round that does not count."""
    times = seconds_in_turns({"ours": ours, "theirs": theirs}, rounds=rounds)
    return Pair(median(times["ours"]), median(times["theirs"]))


def seconds_in_turns(actions: Mapping[str, Callable[[], object]], *, rounds: int) -> dict[str, list[float]]:
    """Seconds of each of `actions` in each round; they alternate on one thread, after a warm-up round that does not count."""
    torch.set_num_threads(1)
    for action in actions.values():
        action()
    times: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(rounds):
        for name, action in actions.items():
            began = time.perf_counter()
            action()
            times[name].append(time.perf_counter() - began)
    return times


def ratio_with_interval(ours: list[float], reference: list[float]) -> tuple[float, float, float]:
    """The median over rounds of `ours` / `reference`, and its 95 % interval by order statistics (normal approximation of the binomial)."""
    ratios = np.sort(np.asarray(ours) / np.asarray(reference))
    n = len(ratios)
    reach = 1.96 * n**0.5 / 2
    return float(np.median(ratios)), float(ratios[max(int(n / 2 - reach), 0)]), float(ratios[min(int(np.ceil(n / 2 + reach)), n - 1)])
