"""Writing whole files: a failure leaves what was there."""

import json
from pathlib import Path

import pytest

from dpmed_core.files import lock_at, replacing, write_json


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


def test_a_folder_in_the_place_of_a_lock_is_set_aside_with_what_is_in_it(tmp_path: Path) -> None:
    (tmp_path / ".lock").mkdir()
    (tmp_path / ".lock" / "inside").write_text("kept")
    with lock_at(tmp_path / ".lock", timeout=0):
        assert (tmp_path / ".lock").is_file()
    assert [path.read_text() for path in tmp_path.glob(".damaged-*/inside")] == ["kept"]
