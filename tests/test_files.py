"""Writing whole files: a failure leaves what was there."""

import json
from pathlib import Path

import pytest

from dpmed_core.files import append_line, replacing, write_json


def test_a_write_that_fails_leaves_the_earlier_file_and_no_draft(tmp_path: Path) -> None:
    target = tmp_path / "facts.json"
    write_json(target, {"step": 1})
    with pytest.raises(RuntimeError), replacing(target) as draft:
        draft.write_text("half")
        raise RuntimeError
    assert json.loads(target.read_text()) == {"step": 1}
    assert list(tmp_path.iterdir()) == [target]


def test_infinity_is_refused_rather_than_written_as_invalid_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "facts.json", {"epsilon": float("inf")})
    assert list(tmp_path.iterdir()) == []


def test_lines_are_appended_in_order(tmp_path: Path) -> None:
    for step in range(3):
        append_line(tmp_path / "log.jsonl", {"step": step})
    assert [json.loads(line)["step"] for line in (tmp_path / "log.jsonl").read_text().splitlines()] == [0, 1, 2]
