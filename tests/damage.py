"""What can happen to a small file, for tests of everything that reads one."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

Damage = Callable[[Path, Path], None]


def _with(path: Path, **fields: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def _folder(path: Path, _: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "inside").write_text("kept")


ANY: dict[str, Damage] = {
    "emptied": lambda path, _: path.write_bytes(b"") and None,
    "truncated": lambda path, _: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]) and None,
    "deleted": lambda path, _: path.unlink(),
    "not JSON": lambda path, _: path.write_text("[not, JSON") and None,
    "not UTF-8": lambda path, _: path.write_bytes(b"\xff\xfe\x00{") and None,
    "a list": lambda path, _: path.write_text("[1, 2]") and None,
    "a folder": _folder,
    "another's": lambda path, other: shutil.copy(other, path) and None,
}
"""By name; each is given the path, and that of the same file of another run or cohort."""
OBJECT: dict[str, Damage] = {
    "unknown field": lambda path, _: _with(path, of_a_later_version=1),
    "a text for each number": lambda path, _: (
        path.write_text(
            json.dumps(
                {name: str(value) if isinstance(value, int | float) else value for name, value in json.loads(path.read_text()).items()}
            )
        )
        and None
    ),
    "nulls": lambda path, _: path.write_text(json.dumps(dict.fromkeys(json.loads(path.read_text())))) and None,
}
"""Of a JSON object only."""
