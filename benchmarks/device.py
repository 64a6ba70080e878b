"""Does this machine's device train as the product claims, and how fast? Under eight minutes, on a CUDA device where there is one.

Each part runs in a process of its own, for as long as it may: a part that fails, crashes or takes too long gives a row with the reason, and
the others go on. On a CPU, and with `quick`, shapes are scaled down, which their rows say. Nothing is downloaded.
"""

import multiprocessing
import os
import signal
import time
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import import_module
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import torch

from benchmarks.device_parts.place import Place

PARTS = {"gradients": 55.0, "noise": 35.0, "killed": 110.0, "steps": 130.0, "sizes": 115.0}
"""Name of a part, and the most seconds that it may take; 445 together."""
GRACE_SECONDS = 5.0
"""A part keeps to its time by itself, and is ended this long after it."""
QUICK = {"steps": 30.0, "sizes": 40.0}
"""The same of a quick run, where it is less."""


def rows(*, quick: bool = False) -> list[dict[str, object]]:
    """The rows of every part, each followed by the seconds it took."""
    kind = "cuda" if torch.cuda.is_available() else "cpu"
    found: list[dict[str, object]] = []
    for part, seconds in PARTS.items():
        began = time.monotonic()
        place = Place(kind, QUICK.get(part, seconds) if quick else seconds, quick)
        found += [{"part": part, **row} for row in _in_own_process(part, place)]
        found.append({"part": part, "part_seconds": round(time.monotonic() - began, 1)})
    return found


def document(*, quick: bool = False) -> dict[str, object]:
    """What is stored of a measurement: the device, the day, the rows, and the seconds of all together."""
    began = time.monotonic()
    measured = rows(quick=quick)
    return {
        "device": device_name(),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "quick": quick,
        "threads": 1,
        "seconds": round(time.monotonic() - began, 1),
        "failed": sum(row.get("holds") is False and row.get("precision") != "tf32" for row in measured),
        "rows": measured,
    }


def device_name() -> str:
    """The device's model, as its maker calls it: "NVIDIA H100 80GB HBM3"; "CPU" where there is no CUDA."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"


def file_name(measured: dict[str, object]) -> str:
    """The name under which a measurement is stored in docs/measured: its device and its day."""
    words = "".join(letter if letter.isalnum() else " " for letter in str(measured["device"]).lower()).split()
    return f"{'-'.join(words)}-{measured['date']}.json"


def _in_own_process(part: str, place: Place) -> Iterator[dict[str, object]]:
    """A part's rows, as its process sends them; at the end the reason, where it did not end well."""
    context = multiprocessing.get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(part, place, sending))
    process.start()
    sending.close()
    until = time.monotonic() + place.seconds + GRACE_SECONDS
    failed = ""
    try:
        while True:
            if not receiving.poll(max(0.0, until - time.monotonic())):
                failed = f"It took longer than {place.seconds:.0f} seconds and was ended."
                break
            if (row := receiving.recv()) is None:
                break
            yield row
    except EOFError:
        process.join(GRACE_SECONDS)
        failed = f"Its process ended with status {process.exitcode}: it crashed, or was ended from outside."
    if failed:
        yield {"failed": failed, "holds": False}
    process.join(GRACE_SECONDS)
    if process.is_alive():
        _end(process)


def _end(process: BaseProcess) -> None:
    """End a part's process and those that it started."""
    assert process.pid is not None
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:  # it did not come so far as to lead a group
        process.kill()
    process.join()


def _run(part: str, place: Place, sending: Connection) -> None:
    """Measure one part and send its rows, then None; what goes wrong becomes a row."""
    os.setpgrp()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    try:
        for row in import_module(f"benchmarks.device_parts.{part}").rows(Place(place.kind, place.seconds, place.quick)):
            sending.send(row)
    except Exception as error:  # noqa: BLE001 (whatever a part fails with is its result, and the others go on)
        reason = next(iter(str(error).splitlines()), "no message")[:200]
        sending.send({"failed": f"{type(error).__name__}: {reason}", "holds": False})
    sending.send(None)
