"""Fixtures for miniatures of published layouts."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from dpmed_core.cohort.sources.rows import Source

Described = dict[str, object]


@pytest.fixture
def pictures(write_png: Callable[[Path, int], Path]) -> Callable[[Path, Sequence[str]], None]:
    """A function that writes a small image to each of the given paths below a folder."""

    def write(root: Path, paths: Sequence[str]) -> None:
        for seed, path in enumerate(paths):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            write_png((root / path).with_suffix(".png"), seed).rename(root / path)

    return write


@pytest.fixture
def write_csv() -> Callable[[Path, str], Path]:
    """A function that writes the lines of a table, without the indentation of the test."""

    def write(path: Path, text: str) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(line.strip() for line in text.strip().splitlines()) + "\n")
        return path

    return write


@pytest.fixture
def described() -> Callable[[Source, Path], list[Described]]:
    """A function that returns the rows of a source as plain values, with NaN as None."""

    def describe(source: Source, root: Path) -> list[Described]:
        return [
            {
                "row": row.row,
                "image": None if row.image is None else Path(str(row.image)).relative_to(root.resolve()).as_posix(),
                "patient": row.patient,
                "age": row.age,
                "sex": row.sex.value,
                "part": row.part and row.part.value,
                **{name: None if value != value else int(value) for name, value in row.values.items()},
                **({"problems": [problem.sentence() for problem in row.problems]} if row.problems else {}),
            }
            for row in source.rows
        ]

    return describe
