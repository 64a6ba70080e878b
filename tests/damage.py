"""What can happen to a small file, for tests of everything that reads one."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

Damage = Callable[[Path, Path], None]


def unsealed(path: Path) -> dict[str, Any]:
    """What a JSON object holds, without the seal that would show any change: what an earlier or a later version wrote."""
    fields = json.loads(path.read_text())
    fields.pop("seal", None)
    if isinstance(files := fields.get("files"), dict):
        files.pop(path.name, None)
    return dict(fields)


def without_digests(folder: Path) -> None:
    """Make a cohort's folder one that an earlier version stored, so that a test may put other content into its files."""
    facts = unsealed(folder / "cohort.json")
    facts.pop("files", None)
    (folder / "image-digests.npy").unlink(missing_ok=True)
    (folder / "cohort.json").write_text(json.dumps(facts))


def _with(path: Path, **fields: object) -> None:
    path.write_text(json.dumps({**unsealed(path), **fields}))


def _flipped(path: Path, _: Path) -> None:
    """Flip one bit near the middle so that what is left can be read as before: JSON stays JSON."""
    content = path.read_bytes()
    for bit in range(4 * len(content), 8 * len(content)):
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        if not path.suffix.startswith(".json") or _reads(bytes(changed)) not in (None, _reads(content)):
            path.write_bytes(changed)
            return


def _reads(content: bytes) -> list[object] | None:
    """The JSON object, or the objects of lines, that a file holds; None where it holds none."""
    try:
        return [json.loads(one) for one in ([content] if content.startswith(b"{\n") else content.splitlines())]
    except ValueError:
        return None


def _folder(path: Path, _: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "inside").write_text("kept")


ANY: dict[str, Damage] = {
    "emptied": lambda path, _: path.write_bytes(b"") and None,
    "truncated": lambda path, _: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]) and None,
    "one bit flipped": _flipped,
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
