"""Sealed files: every flipped bit that changes what is read is found, and so is another's file, a lost, a moved and an exchanged line."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dpmed_core.files import UnreadableFileError, write_json
from dpmed_core.sealed_files import append_line, lines_of, parse_line, read_sealed, write_sealed

VALUE = {
    "state": "training",
    "step": 12,
    "seconds_left": 0.30000000000000004,
    "planned": {"epsilon": 1e-05, "unit": "patient"},
    "note": None,
}


def flips(content: bytes):
    for bit in range(8 * len(content)):
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        yield bytes(changed)


def test_no_single_bit_changes_what_is_read(tmp_path: Path) -> None:
    path = tmp_path / "progress.json"
    write_sealed(path, VALUE, "a run")
    found = 0
    for content in flips(path.read_bytes()):
        path.write_bytes(content)
        try:
            read = read_sealed(path, "a run")
        except UnreadableFileError:
            found += 1
            continue
        # Of an unsealed file an earlier version's reader refuses the field that it does not know.
        assert read == VALUE or (set(read) - set(VALUE) and {name: read[name] for name in VALUE} == VALUE)
    assert found > 7 * len(content)


def test_the_same_file_of_another_and_under_another_name_is_found(tmp_path: Path) -> None:
    write_sealed(tmp_path / "progress.json", VALUE, "a run")
    assert read_sealed(tmp_path / "progress.json", "a run") == VALUE
    with pytest.raises(UnreadableFileError, match="is another's"):
        read_sealed(tmp_path / "progress.json", "another run")
    (tmp_path / "progress.json").rename(tmp_path / "request.json")
    with pytest.raises(UnreadableFileError, match="is another's"):
        read_sealed(tmp_path / "request.json", "a run")


def test_a_file_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    write_json(tmp_path / "progress.json", VALUE)
    assert read_sealed(tmp_path / "progress.json", "a run") == VALUE


def read_lines(path: Path, owner: str = "a run") -> list[int | None]:
    def step(place: int, line: bytes) -> int | None:
        try:
            return parse_line(line, path.name, place, owner)["step"]
        except ValueError:
            return None

    return [step(place, line) for place, line in enumerate(lines_of(path.read_bytes()))]


@pytest.fixture
def record(tmp_path: Path) -> Path:
    for step in range(4):
        append_line(tmp_path / "attempts.jsonl", {"step": step}, "a run")
    return tmp_path / "attempts.jsonl"


def test_lines_are_appended_in_order(record: Path) -> None:
    assert read_lines(record) == [0, 1, 2, 3]
    assert read_lines(record, "another run") == [None] * 4


def test_a_line_that_was_broken_off_spoils_only_itself(record: Path) -> None:
    record.write_bytes(record.read_bytes()[:-9])
    append_line(record, {"step": 4}, "a run")
    assert read_lines(record) == [0, 1, 2, None, 4]


def test_a_lost_and_a_moved_line_are_found(record: Path) -> None:
    first, second, *rest = record.read_bytes().splitlines(keepends=True)
    record.write_bytes(b"".join([first, *rest]))
    assert read_lines(record) == [0, None, None]
    record.write_bytes(b"".join([second, first, *rest]))
    assert read_lines(record) == [None, None, 2, 3]


def test_lines_of_an_earlier_version_are_read_and_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "attempts.jsonl"
    path.write_text("".join(json.dumps({"step": step}) + "\n" for step in range(2)))
    append_line(path, {"step": 2}, "a run")
    assert read_lines(path) == [0, 1, 2]


def test_many_that_append_at_once_take_a_place_each(tmp_path: Path) -> None:
    path = tmp_path / "attempts.jsonl"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda step: append_line(path, {"step": step}, "a run"), range(60)))
    assert sorted(read_lines(path), key=str) == sorted(range(60), key=str)
