"""`status`: what this installation is doing."""

import time
from dataclasses import asdict

import click

from dpmed_core.commands.output import json_option, say
from dpmed_core.doctor.state import InstallationState, state_of
from dpmed_core.engine.health import installation_checks
from dpmed_core.installation import Installation
from dpmed_core.phrases import bytes_in_words, counted, duration_in_words
from dpmed_core.settings import load_settings

NOT_READY = 2


@click.command()
@json_option
def status(as_json: bool) -> int:
    """Say what this installation is doing: versions, storage, engine, workers, queue, last faults; ends with 2 where it is not ready.

    `doctor` looks at everything that is stored, which takes longer.
    """
    settings = load_settings()
    checks = installation_checks(settings)
    ok = all(check.ok for check in checks)
    state = state_of(Installation.open(settings))
    wrong = [f"WRONG  {check.name}: {check.message} {check.repair}".rstrip() for check in checks if not check.ok]
    say({"ok": ok, "checks": [asdict(check) for check in checks], **asdict(state)}, "\n".join([*wrong, *lines(state)]), as_json=as_json)
    return 0 if ok else NOT_READY


def lines(state: InstallationState) -> list[str]:
    """The state in words, a line each."""
    engine = state.engine
    where = f" (process {engine.pid} on {engine.host})" if engine.pid else ""
    waits = f", the oldest for {duration_in_words(time.time() - state.oldest_queued_at)}" if state.oldest_queued_at else ""
    requests = counted(state.n_requests, "request is", "requests are")
    used = ", ".join(f"{name} {bytes_in_words(size)}" for name, size in state.used_bytes.items() if size)
    return [
        f"data folder: {state.data_dir}, {bytes_in_words(state.free_bytes)} free; used: {used or 'nothing'}",
        f"database: {state.database}",
        f"engine: {engine.state}{where}",
        f"queue: {state.n_training} in training, {state.n_queued} queued{waits}; {requests} open",
        *(
            f"worker {w.pid} on {w.host}: {w.kind} {w.name} for {duration_in_words(w.seconds)}"
            + (f", step {w.step} of {w.total_steps}" if w.total_steps else "")
            for w in state.workers
        ),
        *(f"unreadable: {message}" for message in state.unreadable),
        "versions: " + ", ".join(f"{name} {number}" for name, number in state.versions.items()),
        *(f"{fault.time} {fault.level} {fault.process}: {fault.message}" for fault in state.faults),
    ]
