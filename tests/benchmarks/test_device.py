"""`benchmarks device`: what a part goes through, and what is stored."""

import multiprocessing
import os
import signal
import sys
import time
import types
from pathlib import Path

import pytest

from benchmarks import device
from benchmarks.device_parts import gradients, noise, sizes
from benchmarks.device_parts.place import Place


@pytest.fixture
def part(monkeypatch):
    """Runs a function as a part, in this process's place of a spawned one: by fork, which takes what was patched along."""
    fork = multiprocessing.get_context("fork")
    monkeypatch.setattr(device.multiprocessing, "get_context", lambda method: fork)

    def run(rows, seconds=20.0):
        monkeypatch.setitem(sys.modules, "benchmarks.device_parts.planted", types.SimpleNamespace(rows=rows))
        return list(device._in_own_process("planted", Place("cpu", seconds)))

    return run


def test_rows_of_a_part_arrive_in_order(part):
    assert part(lambda place: iter([{"a": 1}, {"a": 2}])) == [{"a": 1}, {"a": 2}]


def test_a_part_that_fails_leaves_its_rows_and_a_reason(part):
    def rows(place):
        yield {"a": 1}
        raise ValueError("no such thing\nand more")

    assert part(rows) == [{"a": 1}, {"failed": "ValueError: no such thing", "holds": False}]


def test_a_part_that_crashes_leaves_its_rows_and_a_reason(part):
    def rows(place):
        yield {"a": 1}
        time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGKILL)

    first, reason = part(rows)
    assert first == {"a": 1} and "status -9" in reason["failed"] and reason["holds"] is False


def test_a_part_that_takes_too_long_is_ended_with_what_it_started(part, monkeypatch, tmp_path):
    monkeypatch.setattr(device, "GRACE_SECONDS", 0.5)

    def rows(place):
        yield {"a": 1}
        if child := os.fork():
            (tmp_path / "child").write_text(str(child))
        time.sleep(60)

    first, reason = part(rows, seconds=1.0)
    assert first == {"a": 1} and "longer than 1 seconds" in reason["failed"]
    child = int((tmp_path / "child").read_text())
    for _ in range(50):
        try:
            state = Path(f"/proc/{child}/stat").read_text().split()[2]
        except FileNotFoundError:
            return
        if state == "Z":
            return
        time.sleep(0.1)
    pytest.fail("what the part had started goes on")


def test_all_parts_together_take_less_than_eight_minutes():
    assert sum(device.PARTS.values()) + device.GRACE_SECONDS * len(device.PARTS) < 8 * 60


def test_a_document_is_named_after_device_and_day_alone():
    assert device.file_name({"device": "NVIDIA H100 80GB HBM3", "date": "2026-11-28"}) == "nvidia-h100-80gb-hbm3-2026-11-28.json"


@pytest.mark.slow
def test_unit_gradients_of_every_network_hold(monkeypatch):
    monkeypatch.setattr(gradients, "NETWORKS", {"slices": gradients.NETWORKS["slices"]})
    monkeypatch.setattr(gradients, "SMALL_VOLUME", (16, 16, 16))
    rows = list(gradients.rows(Place("cpu", 60.0)))
    assert len(rows) == 4 and all(row["holds"] for row in rows)


@pytest.mark.slow
def test_noise_that_is_not_the_products_fails_its_tests(monkeypatch):
    monkeypatch.setattr(noise, "_rates", lambda place: iter(()))
    monkeypatch.setattr(noise, "_sampling", lambda random: iter(()))
    assert all(row["holds"] for row in noise.rows(Place("cpu", 60.0, quick=True)))
    right = noise.gaussian
    monkeypatch.setattr(noise, "gaussian", lambda n, random, where: right(n, random, where) * 1.02)
    failed = {str(row["test"]) for row in noise.rows(Place("cpu", 60.0, quick=True)) if not row["holds"]}
    assert any("Kolmogorov" in name for name in failed) and any("chi-square" in name for name in failed)
    kept = right(2**18, noise.SecureRandom())
    monkeypatch.setattr(noise, "gaussian", lambda n, random, where: kept)
    failed = {str(row["test"]) for row in noise.rows(Place("cpu", 60.0, quick=True)) if not row["holds"]}
    assert {"one call and the next, correlation", "values that occur in two calls"} <= failed


def test_what_would_take_longer_than_the_part_may_is_left_out_with_a_reason():
    recipe = sizes.NETWORKS["paper"]
    seen = {("paper", what): 1.0 for what in ("private", "nonprivate", "scored")}
    rows = list(sizes._training(Place("cpu", 60.0), "paper", recipe, (64, 64), seen))
    assert [row["what"] for row in rows] == ["private", "nonprivate", "scored"]
    assert all("Left out" in str(row["failed"]) for row in rows)
