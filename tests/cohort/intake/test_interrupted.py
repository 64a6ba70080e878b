"""Reading in parallel, interrupting and resuming: a cohort is complete or absent, and images already read are not read again."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from pydicom.data import get_testdata_file

from dpmed_core.cohort.intake import importer, workers
from dpmed_core.cohort.intake import read_all as read_all_module
from dpmed_core.cohort.intake.importer import import_manifest
from dpmed_core.cohort.intake.read_all import read_all
from dpmed_core.cohort.store import CohortStore
from dpmed_core.errors import CohortError
from dpmed_core.imaging.modality import Modality
from tests.conftest import KEY

N_IMAGES = 120


@pytest.fixture
def manifest(tmp_path, write_png, write_manifest):
    folder = tmp_path / "images"
    folder.mkdir()
    for i in range(N_IMAGES):
        write_png(folder / f"{i}.png", i)
    rows = [{"image": f"{i}.png", "patient_id": f"p{i // 2}", "age": 30, "sex": "F", "mass": i // 2 % 2} for i in range(N_IMAGES)]
    return write_manifest(folder / "manifest.csv", rows)


def add(store, manifest, **options):
    return import_manifest(store, "images", manifest=manifest, images_dir=None, findings=("mass",), **options)


def stop_after(n_images):
    def progress(done, total):
        if done >= n_images:
            raise KeyboardInterrupt

    return progress


def indices_read(monkeypatch):
    """A list that collects the indices of the images read from now on."""
    seen = []

    def watched(images, indices, **options):
        seen.extend(indices)
        return read_all(images, indices, **options)

    monkeypatch.setattr(importer, "read_all", watched)
    return seen


def images_of(manifest):
    return [str(manifest.parent / f"{i}.png") for i in range(N_IMAGES)]


def test_workers_read_the_same_as_this_process(manifest):
    images = images_of(manifest)
    here = dict(outcome for chunk in read_all(images, range(N_IMAGES), modality=Modality.RADIOGRAPH, workers=0) for outcome in chunk)
    there = dict(outcome for chunk in read_all(images, range(N_IMAGES), modality=Modality.RADIOGRAPH, workers=2) for outcome in chunk)
    assert sorted(there) == list(range(N_IMAGES))
    assert all(here[index].digest == there[index].digest and here[index].signature == there[index].signature for index in here)


def test_a_file_that_crashes_its_worker_is_reported_and_the_others_are_read(manifest, monkeypatch):
    """The workers are patched to crash at one file, as a crashing decoder would make them."""
    script = (
        "import os, sys\n"
        "from dpmed_core.cohort.intake import read_result, worker\n"
        "read = read_result.read_one\n"
        "worker.read_one = lambda image, *form: os._exit(11) if image.endswith('/77.png') else read(image, *form)\n"
        "worker.main([int(number) for number in sys.argv[1:]])\n"
    )
    real = subprocess.Popen
    monkeypatch.setattr(
        workers.subprocess, "Popen", lambda command, **options: real([sys.executable, "-c", script, *command[3:]], **options)
    )
    monkeypatch.setattr(read_all_module, "_read_here", lambda here, chunk, *form: [])
    images = images_of(manifest)
    read = dict(outcome for chunk in read_all(images, range(N_IMAGES), modality=Modality.RADIOGRAPH, workers=2) for outcome in chunk)
    assert read[77].message == workers.HALTED
    assert [index for index, outcome in read.items() if outcome.message] == [77]


def test_workers_that_started_decoders_end():
    """A worker must not wait for the subprocess that decodes its compressed images; run in a subprocess, whose time is limited."""
    script = (
        "import sys\n"
        "from dpmed_core.cohort.intake.read_all import read_all\n"
        "from dpmed_core.cohort.schema import Modality\n"
        "chunks = read_all([sys.argv[1]] * 40, range(40), modality=Modality.RADIOGRAPH, workers=2)\n"
        "assert {outcome.message for chunk in chunks for _, outcome in chunk} == {''}\n"
    )
    subprocess.run([sys.executable, "-c", script, str(get_testdata_file("MR_small_RLE.dcm"))], check=True, timeout=120)


def test_an_interrupted_import_is_resumed_where_it_stopped(tmp_path, manifest, monkeypatch):
    stopped, whole = CohortStore(tmp_path / "stopped", KEY), CohortStore(tmp_path / "whole", KEY)
    add(whole, manifest, workers=0)
    with pytest.raises(KeyboardInterrupt):
        add(stopped, manifest, workers=0, progress=stop_after(50))
    assert stopped.names() == []
    seen = indices_read(monkeypatch)
    add(stopped, manifest, workers=0)
    assert 0 < len(seen) <= N_IMAGES - 48
    assert stopped.fingerprint("images") == whole.fingerprint("images")
    assert [path.name for path in stopped.root.iterdir()] == ["images"]


def test_an_image_that_changed_is_read_again(tmp_path, manifest, monkeypatch, write_png):
    stopped, whole = CohortStore(tmp_path / "stopped", KEY), CohortStore(tmp_path / "whole", KEY)
    with pytest.raises(KeyboardInterrupt):
        add(stopped, manifest, workers=0, progress=stop_after(50))
    image = manifest.parent / "3.png"
    times = (image.stat().st_atime_ns, image.stat().st_mtime_ns)
    image.write_bytes((manifest.parent / "90.png").read_bytes())
    os.utime(image, ns=times)
    seen = indices_read(monkeypatch)
    add(stopped, manifest, workers=0)
    assert 3 in seen
    add(whole, manifest, workers=0)
    assert stopped.fingerprint("images") == whole.fingerprint("images")


def test_images_with_lost_pixels_or_a_line_cut_short_are_read_again(tmp_path, manifest, monkeypatch):
    store = CohortStore(tmp_path / "store", KEY)
    with pytest.raises(KeyboardInterrupt):
        add(store, manifest, workers=0, progress=stop_after(50))
    draft = next(store.root.iterdir())
    with (draft / "arriving.bin").open("r+b") as slots:
        slots.seek(5 * 128 * 128)
        slots.write(bytes(100))
    journal = (draft / "journal.jsonl").read_bytes()
    (draft / "journal.jsonl").write_bytes(journal[:-20])
    seen = indices_read(monkeypatch)
    assert add(store, manifest, workers=0).n_imported == N_IMAGES
    assert 5 in seen and 0 not in seen


def test_a_line_of_the_journal_that_was_changed_is_read_again(tmp_path, manifest, monkeypatch):
    store = CohortStore(tmp_path / "store", KEY)
    with pytest.raises(KeyboardInterrupt):
        add(store, manifest, workers=0, progress=stop_after(50))
    path = next(store.root.glob("*/journal.jsonl"))
    first, *rest = path.read_bytes().splitlines(keepends=True)
    changed = first.replace(b"null", b"77.0", 1)  # an age that no header gave
    assert changed != first and len(changed) == len(first)
    path.write_bytes(b"".join([changed, *rest]))
    seen = indices_read(monkeypatch)
    assert add(store, manifest, workers=0).n_imported == N_IMAGES
    assert 0 in seen and len(seen) < N_IMAGES


def test_an_import_with_another_table_is_not_resumed_from_this_one(tmp_path, manifest, monkeypatch):
    store = CohortStore(tmp_path / "store", KEY)
    with pytest.raises(KeyboardInterrupt):
        add(store, manifest, workers=0, progress=stop_after(50))
    manifest.write_text(manifest.read_text().replace(",30,", ",31,"))
    seen = indices_read(monkeypatch)
    add(store, manifest, workers=0)
    assert len(seen) == N_IMAGES


def test_the_same_import_twice_at_once_is_refused(tmp_path, manifest):
    store = CohortStore(tmp_path / "store", KEY)

    def again(done, total):
        with pytest.raises(CohortError, match="already running"):
            add(store, manifest, workers=0)

    add(store, manifest, workers=0, progress=again)
    assert store.names() == ["images"]


PROGRAM = """
import sys
from pathlib import Path
from dpmed_core.cohort.intake.importer import import_manifest
from dpmed_core.cohort.store import CohortStore
store = CohortStore(Path(sys.argv[1]), bytes(range(32)))
import_manifest(store, "images", manifest=Path(sys.argv[2]), images_dir=None, findings=("mass",), workers=int(sys.argv[3]))
"""


def journal_lines(store):
    """How many reads a draft in `store` has recorded; 0 where there is none, or it has just become a cohort."""
    try:
        return sum(path.read_bytes().count(b"\n") for path in store.root.glob("*/journal.jsonl"))
    except FileNotFoundError:
        return 0


@pytest.mark.slow
def test_after_a_kill_at_any_moment_the_cohort_is_complete_or_absent(tmp_path, manifest):
    """Two kills while workers run; for many kills see `benchmarks/import_kills.py`."""
    store, whole = CohortStore(tmp_path / "store", KEY), CohortStore(tmp_path / "whole", KEY)
    add(whole, manifest, workers=0)
    command = [sys.executable, "-c", PROGRAM, str(store.root), str(manifest), "2"]
    for n_lines in (1, N_IMAGES // 2):
        process = subprocess.Popen(command, cwd=Path(__file__).parents[3], start_new_session=True)
        while process.poll() is None and journal_lines(store) < n_lines:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert store.names() in ([], ["images"])
    if not store.names():
        subprocess.run(command, cwd=Path(__file__).parents[3], check=True)
    assert store.fingerprint("images") == whole.fingerprint("images")
    assert np.array_equal(store.load("images").images, whole.load("images").images)


def test_the_journal_names_neither_patients_nor_files(tmp_path, manifest):
    store = CohortStore(tmp_path / "store", KEY)
    with pytest.raises(KeyboardInterrupt):
        add(store, manifest, workers=0, progress=stop_after(50))
    draft = next(store.root.iterdir())
    assert draft.stat().st_mode & 0o777 == 0o700
    lines = [json.loads(line.partition("\t")[0]) for line in (draft / "journal.jsonl").read_text().splitlines() if line]
    assert lines and "png" not in (draft / "journal.jsonl").read_text() and "p1" not in (draft / "journal.jsonl").read_text()
