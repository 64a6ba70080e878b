"""Where a part measures, how long it may, and how time and memory are read there."""

import ctypes
import gc
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from statistics import median

import torch

from benchmarks.step import forget_peak, resident_bytes

Step = Callable[[], object]
LONG_SECONDS = 1.0
"""A first call on a CPU that takes longer is not repeated."""


@dataclass(frozen=True)
class Place:
    """One part's device and time.

    Attributes:
        kind: "cuda" or "cpu".
        seconds: how long the part may take.
        quick: smallest shapes only, to see that everything runs.
        began: when the part began.
    """

    kind: str
    seconds: float
    quick: bool = False
    began: float = field(default_factory=time.monotonic)

    @property
    def device(self) -> torch.device:
        """The device that is measured."""
        return torch.device(self.kind)

    @property
    def small(self) -> bool:
        """Whether shapes are scaled down: on a CPU, and in a quick run."""
        return self.quick or self.kind == "cpu"

    def left(self) -> float:
        """Seconds that are left to the part."""
        return self.began + self.seconds - time.monotonic()

    def measured(self, step: Step, *, rounds: int = 3) -> tuple[float, int]:
        """Median seconds of `step`, and the bytes it takes beyond what was held: of the device's memory, or of this process's on a CPU.

        The first call warms up; on a CPU, where it takes long, it is the measurement.
        """
        self.clear()
        if self.kind == "cpu":
            before = resident_bytes()
            forget_peak()
            first = self._timed(step)
            peak = resident_bytes("VmHWM") - before
            return (first if first > LONG_SECONDS else median(self._timed(step) for _ in range(rounds))), max(peak, 0)
        self._timed(step)
        seconds = median(self._timed(step) for _ in range(rounds))
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        self._timed(step)
        return seconds, torch.cuda.max_memory_allocated() - before

    def _timed(self, step: Step) -> float:
        """Seconds of one call: of the device's work by the clock, on a CPU of the processor, which others may share."""
        clock = time.process_time if self.kind == "cpu" else time.perf_counter
        self._wait()
        began = clock()
        step()
        self._wait()
        return clock() - began

    def _wait(self) -> None:
        """Until the device has done what was asked of it: calls on CUDA return before."""
        if self.kind == "cuda":
            torch.cuda.synchronize()

    def clear(self) -> None:
        """Give back memory that nothing uses any more."""
        gc.collect()
        if self.kind == "cuda":
            torch.cuda.empty_cache()
            return
        with suppress(OSError, AttributeError):  # another C library has no such call, and keeps the memory
            ctypes.CDLL(None).malloc_trim(0)
