"""The index of the runs: a cache that shows what the files say, whatever it remembers, and does not read what has not changed."""

import json
import os
import time
from dataclasses import replace
from hashlib import sha256

import pytest

from dpmed_core import files
from dpmed_core.runs import index as index_module
from dpmed_core.runs.index import CHANGED, INDEX, RunIndex
from dpmed_core.runs.status import Progress, RunState
from dpmed_core.runs.store import RunStore
from dpmed_core.sealed_files import write_sealed
from tests.damage import unsealed

N = 6


@pytest.fixture
def asked(installation, spec, monkeypatch):
    """Runs that were asked for long ago, as the file system tells, and a store that wants to hand on even a few."""
    monkeypatch.setattr(index_module, "WORTH_HANDING_ON", 1)
    ids = [installation.runs.ask(replace(spec, seed=seed), cohort_name="images").run_id for seed in range(N)]
    monkeypatch.setattr(files, "SETTLED_NANOSECONDS", 0)
    time.sleep(0.1)
    return ids


@pytest.fixture
def reads(monkeypatch):
    """The runs whose files are read."""
    found = []
    look = index_module.look_at
    monkeypatch.setattr(index_module, "look_at", lambda folder, key: found.append(folder.name) or look(folder, key))
    return found


def another_process(runs: RunStore) -> RunIndex:
    return RunIndex(runs.root, runs.key)


def test_what_has_not_changed_is_read_once_also_by_another_process(installation, asked, reads):
    first = another_process(installation.runs)
    assert [s.run_id for s in first.listing().statuses] and sorted(reads) == sorted(asked)
    assert first.listing() is first.listing() and len(reads) == N
    again = another_process(installation.runs).listing()
    assert again.statuses == first.listing().statuses and len(reads) == N
    installation.runs.set_progress(asked[2], Progress(RunState.FAILED))
    assert next(s for s in first.listing().statuses if s.run_id == asked[2]).state is RunState.FAILED and reads[N:] == [asked[2]]


@pytest.mark.parametrize("content", [b"", b"\xff", b"[]", b'{"version": 1, "runs": {"a": 1}, "undamaged": {}}', b'{"version": 99}'])
def test_a_damaged_index_is_not_used(installation, asked, content):
    installation.runs.statuses()
    (installation.runs.root / INDEX).write_bytes(content)
    assert [s.run_id for s in another_process(installation.runs).listing().statuses] == [s.run_id for s in installation.runs.statuses()]


def test_an_index_with_one_bit_flipped_is_not_used(installation, asked):
    installation.runs.statuses()
    path = installation.runs.root / INDEX
    content = path.read_bytes()
    assert content.count(b'"attempt":0') == N
    path.write_bytes(content.replace(b'"attempt":0', b'"attempt":1', 1))
    assert {s.progress.attempt for s in another_process(installation.runs).listing().statuses} == {0}


def test_an_index_that_tells_of_other_runs_or_states_changes_nothing(installation, asked):
    installation.runs.statuses()
    path = installation.runs.root / INDEX
    document = json.loads(path.read_text().split("\n", 1)[1])
    document["runs"]["f" * 16] = document["runs"][asked[0]]
    document["runs"][asked[1]][0][1][1] += 1  # another time of change
    document["runs"][asked[1]][4]["state"] = "finished"
    stored = json.dumps(document)
    path.write_text(f"{sha256(stored.encode()).hexdigest()}\n{stored}")
    listing = another_process(installation.runs).listing()
    assert len(listing.statuses) == N and {s.state for s in listing.statuses} == {RunState.QUEUED}


def test_a_change_in_place_with_the_old_times_is_seen(installation, asked, tmp_path):
    listing = installation.runs.statuses()
    path = installation.runs.root / asked[0] / "progress.json"
    before = path.stat()
    write_sealed(other := tmp_path / "progress.json", {**unsealed(path), "state": "failed"}, asked[0])
    path.write_bytes(other.read_bytes())
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert len(installation.runs.statuses()) == len(listing)
    assert installation.runs.status(asked[0]).state is RunState.FAILED
    assert next(s for s in installation.runs.statuses() if s.run_id == asked[0]).state is RunState.FAILED


def test_whoever_looks_often_sees_what_a_store_changes_at_once_and_damage_to_its_own_runs(installation, asked, spec):
    often = another_process(installation.runs)
    known = often.listing(at_most_seconds_old=60)
    assert often.listing(at_most_seconds_old=60) is known
    installation.runs.cancel(asked[0])
    assert len(often.listing(at_most_seconds_old=60).open) == N - 1
    time.sleep(0.1)
    often.listing(at_most_seconds_old=60)
    (installation.runs.root / asked[1] / "progress.json").write_bytes(b"")
    assert len(often.of_cohort(spec.cohort_fingerprint, at_most_seconds_old=60)) == N - 1
    assert [run.run_id for run in often.listing(at_most_seconds_old=60).unreadable] == [asked[1]]


def test_steps_within_a_state_touch_no_mark(installation, asked):
    mark = installation.runs.root / CHANGED
    installation.runs.set_progress(asked[0], Progress(RunState.TRAINING, step=1, total_steps=9))
    before = mark.stat().st_mtime_ns
    time.sleep(0.02)
    installation.runs.set_progress(asked[0], Progress(RunState.TRAINING, step=2, total_steps=9))
    assert mark.stat().st_mtime_ns == before
    [status] = [s for s in installation.runs.statuses() if s.run_id == asked[0]]
    assert status.step == 2


def test_a_folder_that_cannot_be_written_to_is_looked_at_all_the_same(installation, asked, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError("read-only file system")

    monkeypatch.setattr(index_module.Path, "write_text", refuse)
    assert len(another_process(installation.runs).listing().statuses) == N
