"""What workers are asked and answer: everything arrives as it was, and an answer of a worker that was taken over is refused."""

import json
import os
import sys
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from dpmed_core.child_environment import KEPT, ONE_THREAD
from dpmed_core.cohort.intake import workers as workers_module
from dpmed_core.cohort.intake.read_result import ReadResult, read_one
from dpmed_core.cohort.intake.wire import answer_of, answered, request_of, requested
from dpmed_core.cohort.intake.workers import ENVIRONMENT, Workers
from dpmed_core.imaging import subprocess_client
from dpmed_core.imaging.ct.series import SeriesFiles
from dpmed_core.imaging.dicom.decoding import DECODER
from dpmed_core.imaging.modality import Modality, Sex
from dpmed_core.imaging.npz_archive import ArrayImage
from dpmed_core.phantoms.abdomen.population import draw_scans
from dpmed_core.phantoms.drawn_scan import SyntheticScan

SECRET = "postgresql://dpmed:secret@db/dpmed"
PIXELS = bytes(range(256)) * 64
CHUNK = [(7, "/a.png"), (9, "/b\udc80.dcm")]
READ = [
    (7, ReadResult((1, 2, 3, 4), PIXELS, sha256(PIXELS).digest(), 61.5, Sex.FEMALE, "", ("a warning",), ("PatientName",))),
    (9, ReadResult((), message="cannot be read.")),
]


def through_json(head):
    return json.loads(json.dumps(head))


def test_every_kind_of_location_arrives(tmp_path):
    scan = SyntheticScan(draw_scans(3, seed=1, variant="demo").iloc[1], 1, 1, tmp_path)
    images = ["/a b\udc80.png", ArrayImage(Path("/x.npz"), "train_images", 5), SeriesFiles(("/s/1", "/s/2")), scan]
    chunk, modality, side = requested(through_json(request_of(list(enumerate(images)), Modality.CT, 256)))
    assert (modality, side) == (Modality.CT, 256) and [index for index, _ in chunk] == [0, 1, 2, 3]
    assert [image for _, image in chunk[:3]] == images[:3]
    drawn = chunk[3][1]
    assert (drawn.index, drawn.seed, drawn.scratch) == (scan.index, scan.seed, scan.scratch)
    assert drawn.case.to_dict() == scan.case.to_dict()


@pytest.mark.parametrize("variant", ["demo", "advanced"])
def test_a_drawn_scan_is_the_same_after_the_message(variant, tmp_path):
    scan = SyntheticScan(draw_scans(2, seed=3, variant=variant).iloc[1], 1, 3, tmp_path, variant)
    [(_, sent)], _, _ = requested(through_json(request_of([(0, scan)], Modality.CT)))
    assert read_one(sent, Modality.CT).digest == read_one(scan, Modality.CT).digest


def test_an_answer_arrives_as_it_was_read():
    head, pixels = answer_of(READ)
    arrived = answered(through_json(head), pixels, CHUNK, Modality.RADIOGRAPH)
    assert [(index, vars(one)) for index, one in arrived] == [(index, vars(one)) for index, one in READ]


@pytest.mark.parametrize(("side", "at_128"), [(128, ""), (256, "ab" * 32)])
def test_an_image_is_recognised_at_128_pixels_where_it_is_stored_finer_and_nowhere_else(side, at_128):
    pixels = bytes(side * side)
    head, body = answer_of([(7, ReadResult((), pixels, sha256(pixels).digest(), digest_at_128=bytes.fromhex(at_128)))])
    [(_, read)] = answered(through_json(head), body, CHUNK[:1], Modality.RADIOGRAPH, side)
    assert read.digest_at_128.hex() == at_128
    for other in {"", "ab", "ab" * 32} - {at_128}:
        head["read"][0]["digest_at_128"] = other
        with pytest.raises(ValueError):
            answered(through_json(head), body, CHUNK[:1], Modality.RADIOGRAPH, side)


@pytest.mark.parametrize(
    "change",
    [
        {"index": 8},
        {"digest": "00"},
        {"digest": "zz"},
        {"digest": ""},
        {"age": "old"},
        {"age": float("inf")},
        {"sex": "x"},
        {"message": 5},
        {"warnings": [1]},
        {"warnings": None},
        {"signature": ["a"]},
        {"signature": [float("inf")]},
        None,
    ],
    ids=str,
)
def test_an_answer_to_something_else_is_refused(change):
    head, pixels = answer_of(READ)
    head = through_json(head)
    if change is None:
        head["read"].pop()
    else:
        head["read"][0] |= change
    with pytest.raises(ValueError):
        answered(head, pixels, CHUNK, Modality.RADIOGRAPH)


@pytest.mark.parametrize("pixels", [b"", PIXELS[:-1], PIXELS + b"x"])
def test_an_answer_with_other_pixels_is_refused(pixels):
    with pytest.raises(ValueError):
        answered(through_json(answer_of(READ)[0]), pixels, CHUNK, Modality.RADIOGRAPH)


@pytest.mark.parametrize("answer", ["b'\\x80\\x04cos\\nsystem\\n.'", "b'{}\\n'", "b'{\"read\": [{}]}\\n'"])
def test_a_worker_that_answers_something_else_has_crashed(answer, monkeypatch):
    """A worker that a file took over answers with a pickle, or with nothing that was asked for."""
    program = (
        "import socket, sys\n"
        "for number in sys.argv[1:]:\n"
        "    channel = socket.socket(fileno=int(number)).makefile('rwb')\n"
        f"    channel.readline(); channel.write({answer}); channel.flush()\n"
    )
    real = workers_module.subprocess.Popen
    monkeypatch.setattr(
        workers_module.subprocess, "Popen", lambda command, **options: real([sys.executable, "-c", program, *command[3:]], **options)
    )
    with Workers(1, Modality.RADIOGRAPH) as workers:
        [(_, read)] = workers.submit([(0, "/a.png")]).result()
    assert read.message == workers_module.HALTED


def environment_of(pid: int) -> dict[str, str]:
    entries = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return dict(entry.decode().split("=", 1) for entry in entries if entry)


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="no /proc on this system")
def test_decoders_get_the_listed_variables_and_no_other(tmp_path, write_png, monkeypatch):
    for name in ("DPMED_DATABASE_URL", "AWS_SECRET_ACCESS_KEY", "SOME_TOKEN"):
        monkeypatch.setenv(name, SECRET)
    write_png(tmp_path / "a.png", 1)
    with Workers(1, Modality.RADIOGRAPH) as workers:
        [(_, read)] = workers.submit([(0, str(tmp_path / "a.png"))]).result()
        worker = environment_of(workers._started[0].pid)
    process = subprocess_client._Process(DECODER)
    decoder = environment_of(process._process.pid)
    process.end()
    assert read.message == "" and read.pixels is not None and np.frombuffer(read.pixels, np.uint8).any()
    assert set(worker) <= {*KEPT, *ONE_THREAD, *ENVIRONMENT} and set(decoder) <= {*KEPT, *ONE_THREAD}
    assert SECRET not in {*worker.values(), *decoder.values()} and os.environ["DPMED_DATABASE_URL"] == SECRET
