"""Image paths as Windows, macOS and people write them."""

import unicodedata
from pathlib import Path

import pytest

from dpmed_core.cohort.sources.image_folder import FOREIGN_PATH, MISSING, MISSING_FOREIGN, OTHER_WRITING, ImageFolder


@pytest.fixture
def root(tmp_path):
    for name in ("a.png", "ward 7/b.png", "ward 8/b.png", unicodedata.normalize("NFD", "Ärzte/Ü1.png"), "Mixed.PNG"):
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    (tmp_path / "secret.png").write_bytes(b"x")
    return tmp_path / "images"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("ward 7\\b.png", "ward 7/b.png"),
        (".\\ward 7\\b.png", "ward 7/b.png"),
        (unicodedata.normalize("NFC", "Ärzte/Ü1.png"), unicodedata.normalize("NFD", "Ärzte/Ü1.png")),
        (unicodedata.normalize("NFC", "Ärzte\\Ü1.png"), unicodedata.normalize("NFD", "Ärzte/Ü1.png")),
        ("mixed.png", "Mixed.PNG"),
    ],
)
def test_another_writing_of_a_path_is_found_with_a_remark(root, text, name):
    found = ImageFolder(root).find(text)
    assert (found.path, found.remark) == (str(root.resolve() / name), OTHER_WRITING)


@pytest.mark.parametrize("prefix", ["C:\\scans\\", "D:/exports/", "\\\\server\\share\\x\\", "\\\\server\\share\\"])
def test_what_follows_the_folder_on_another_computer_is_read_from_the_folder_of_images(root, prefix):
    folder = ImageFolder(root)
    found = [folder.find(f"{prefix}{name}") for name in ("ward 7\\b.png", "ward 8\\b.png", "a.png")]
    assert [one.path for one in found] == [str(root.resolve() / name) for name in ("ward 7/b.png", "ward 8/b.png", "a.png")]
    assert {one.remark for one in found} == {FOREIGN_PATH}


def test_two_paths_of_another_computer_never_become_one_file(root):
    folder = ImageFolder(root)
    assert folder.find("C:\\one\\a.png").path == str(root.resolve() / "a.png")
    assert folder.find("C:\\two\\a.png").problem == MISSING_FOREIGN


def test_what_does_not_exist_is_not_found_and_nothing_outside_is_reached(root):
    folder = ImageFolder(root)
    assert folder.find("none\\a.png").problem == MISSING
    for text in ("..\\secret.png", "C:\\images\\..\\..\\secret.png", "ward 7\\..\\..\\secret.png"):
        assert folder.find(text).path is None


def test_of_two_names_that_differ_in_capitals_alone_none_is_guessed(root):
    (root / "mixed.png").write_bytes(b"y")
    assert ImageFolder(root).find("MIXED.png").path is None
    assert ImageFolder(root).find("mixed.png").path == str(root.resolve() / "mixed.png")


@pytest.mark.parametrize("text", ["sub\\a.png", "SUB/A.PNG", "C:\\scans\\sub\\a.png"])
def test_a_folder_that_is_named_from_the_working_folder_is_the_same_folder(tmp_path, monkeypatch, text):
    (tmp_path / "ward" / "sub").mkdir(parents=True)
    (tmp_path / "ward" / "sub" / "a.png").touch()
    monkeypatch.chdir(tmp_path)
    assert ImageFolder(Path("ward")).find(text).path == str((tmp_path / "ward" / "sub" / "a.png").resolve())
