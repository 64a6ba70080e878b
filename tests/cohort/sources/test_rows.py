"""Paths of images stay in their folder, also through symbolic links."""

import pytest

from dpmed_core.cohort.sources.rows import ImageFolder


@pytest.fixture
def folder(tmp_path):
    inside, outside = tmp_path / "inside", tmp_path / "inside-not"
    (inside / "deep").mkdir(parents=True)
    outside.mkdir()
    for path in (inside / "a.png", inside / "deep" / "b.png", outside / "secret.png"):
        path.write_bytes(b"x")
    (inside / "link.png").symlink_to(outside / "secret.png")
    (inside / "good-link.png").symlink_to(inside / "a.png")
    (inside / "linked").symlink_to(outside)
    return inside


@pytest.mark.parametrize(
    ("text", "leads_to"),
    [("a.png", "a.png"), ("deep/b.png", "deep/b.png"), ("deep/../a.png", "a.png"), ("./a.png", "a.png"), ("good-link.png", "a.png")],
)
def test_files_inside_are_found(folder, text, leads_to):
    assert ImageFolder(folder).locate(text) == str(folder.resolve() / leads_to)
    assert ImageFolder(folder).locate(str(folder / text)) == str(folder.resolve() / leads_to)


OUTSIDE = ["../inside-not/secret.png", "deep/../../inside-not/secret.png", "link.png", "linked/secret.png", "/etc/passwd"]


@pytest.mark.parametrize("text", [*OUTSIDE, "..", ".", "deep/.."])
def test_nothing_outside_is_reached(folder, text):
    assert ImageFolder(folder).locate(text) is None
