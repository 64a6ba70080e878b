"""Uploaded archives: what is unpacked, and what is refused in one sentence and without leaving files."""

import gzip
import io
import shutil
import struct
import zipfile

import pytest

from dpmed_core.errors import UploadError
from dpmed_core.uploads.archive import inspect, unpack
from dpmed_core.uploads.limits import MIB, Limits


@pytest.fixture
def refused(tmp_path):
    """A function that tries to unpack an archive and returns the sentence with which it is refused."""

    def offer(content: bytes, limits: Limits = Limits()) -> str:  # noqa: B008 - a frozen value
        path, folder = tmp_path / "offered.zip", tmp_path / "unpacked"
        path.write_bytes(content)
        with pytest.raises(UploadError) as raised:
            unpack(path, folder, limits=limits)
        assert not folder.exists()
        assert sorted(p.name for p in tmp_path.iterdir()) == ["offered.zip"]
        assert "\n" not in str(raised.value)
        return str(raised.value)

    return offer


def packed(files, **options):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", **options) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def test_files_are_unpacked_readable_by_their_owner_alone(tmp_path):
    path = tmp_path / "images.zip"
    path.write_bytes(
        packed({"a/1.png": b"one", "table.csv": b"image\n", "__MACOSX/._1.png": b"metadata"}, compression=zipfile.ZIP_DEFLATED)
    )
    assert unpack(path, tmp_path / "out") == 2
    assert (tmp_path / "out" / "a" / "1.png").read_bytes() == b"one"
    assert not (tmp_path / "out" / "__MACOSX").exists()
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "out" / "table.csv").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "name", ["../x.png", "a/../../x.png", "/etc/x.png", "..\\x.png", "C:\\x.png", "C:/x.png", "a//x.png", "./x.png", "a/./x.png", ".."]
)
def test_no_path_leads_out(refused, name):
    assert "leads out" in refused(packed({name: b"1"}))


def test_a_million_entries_are_refused_by_the_last_record_alone(refused):
    """The list of contents is not read: its size is in the archive's last record, with and without ZIP64."""
    plain = packed({"a.png": b"1"})
    crowded = plain[:-12] + struct.pack("<HLLH", 60_000, 60_000 * 50, 0, 0)
    assert "more than 50,000 files" in refused(crowded)
    end_64 = struct.pack("<4sQHHLLQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, 10**6, 10**6, 10**6 * 50, 0)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, len(plain) - 22, 1)
    assert "more than 50,000 files" in refused(plain[:-22] + end_64 + locator + plain[-22:])


def test_many_tiny_files_are_refused(refused):
    assert "more than 2,000 files" in refused(packed({f"{i}.png": b"" for i in range(2001)}), Limits(entries=2000))


def test_a_directory_that_declares_fewer_entries_than_it_holds_is_refused(refused):
    content = packed({f"{i}.png": b"1" for i in range(50)})
    position = content.rfind(b"PK\x05\x06")
    understated = content[: position + 8] + struct.pack("<HH", 1, 1) + content[position + 12 :]
    assert "more than 20 files" in refused(understated, Limits(entries=20))


@pytest.mark.parametrize("files", [{"a.png": bytes(64 * MIB)}, {f"{i}.png": bytes(MIB) for i in range(64)}], ids=["one", "many"])
def test_a_bomb_is_refused(refused, files):
    assert "times its size" in refused(packed(files, compression=zipfile.ZIP_DEFLATED))


def test_entries_that_share_their_packed_bytes_are_refused(refused):
    content = bytearray(packed({"a.png": b"x" * 4000, "b.png": b"x" * 4000}))
    directory = content.rfind(b"PK\x01\x02")
    content[directory + 42 : directory + 46] = struct.pack("<L", 0)
    assert "times its size" in refused(bytes(content))


def test_archives_above_the_limits_are_refused(refused):
    noise = bytes(range(256)) * 40
    assert "larger than 0 MiB" in refused(packed({"a.png": noise}), Limits(file_bytes=1000))
    assert "unpacks to more than" in refused(packed({"a.png": noise, "b.png": noise}), Limits(total_bytes=15_000))
    assert "a path with more than 12 levels" in refused(packed({"/".join("abcdefghijklmn"): b"1"}))


def test_a_file_larger_than_declared_is_stopped_while_it_is_unpacked(refused):
    content = bytearray(packed({"a.png": bytes(range(256)) * 40}, compression=zipfile.ZIP_DEFLATED))
    directory = content.rfind(b"PK\x01\x02")
    content[directory + 24 : directory + 28] = struct.pack("<L", 100)
    assert "damaged" in refused(bytes(content)) or "larger than" in refused(bytes(content))


@pytest.mark.parametrize("name", ["inner.zip", "inner.tar.gz", "image.png", "image.dcm"])
def test_an_archive_in_an_archive_is_refused_whatever_it_is_called(refused, name):
    assert "another archive" in refused(packed({name: packed({"a.png": b"1"})}))


def test_a_workbook_is_inspected_like_an_archive(refused, tmp_path):
    bomb = packed({"xl/worksheets/sheet1.xml": bytes(64 * MIB)}, compression=zipfile.ZIP_DEFLATED)
    assert "times its size" in refused(packed({"table.xlsx": bomb}))
    path = tmp_path / "good.zip"
    path.write_bytes(packed({"table.xlsx": packed({"xl/workbook.xml": b"<x/>"})}))
    assert unpack(path, tmp_path / "out") == 1


@pytest.mark.parametrize("mode", [0o120777, 0o010644, 0o020644], ids=["link", "pipe", "device"])
def test_links_and_special_files_are_refused(refused, mode):
    info = zipfile.ZipInfo("image.png")
    info.create_system, info.external_attr = 3, mode << 16
    assert "symbolic link" in refused(packed({info: "/etc/passwd"}))


def test_an_encrypted_archive_is_refused(refused):
    content = bytearray(packed({"a.png": b"1"}))
    directory = content.rfind(b"PK\x01\x02")
    content[directory + 8] |= 1
    assert "encrypted" in refused(bytes(content))


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x05\x06", packed({"a.png": b"1" * 99})[:-30], packed({})])
def test_a_file_that_is_not_an_archive_and_an_empty_archive_are_refused(refused, content):
    assert refused(content)


def test_two_files_with_one_path_and_a_file_named_like_a_folder_are_refused(refused):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("a.png", b"1")
        archive.writestr("a.png", b"2")
    assert "two files with the same path" in refused(buffer.getvalue())
    assert "has the name of a folder" in refused(packed({"a": b"1", "a/b.png": b"2"}))


def test_inspecting_unpacks_nothing(tmp_path):
    path = tmp_path / "images.zip"
    path.write_bytes(packed({"a.png": b"1"}))
    assert [entry.filename for entry in inspect(path)] == ["a.png"]
    assert [p.name for p in tmp_path.iterdir()] == ["images.zip"]


def test_compressed_volumes_are_accepted_and_other_compressed_files_refused(refused, tmp_path):
    volume = gzip.compress(b"a volume")
    path = tmp_path / "scans.zip"
    path.write_bytes(packed({"scans/1.nii.gz": volume}))
    assert unpack(path, tmp_path / "out") == 1
    assert (tmp_path / "out" / "scans" / "1.nii.gz").read_bytes() == volume
    shutil.rmtree(tmp_path / "out")
    path.unlink()
    assert "archive" in refused(packed({"table.csv.gz": volume}))
    assert "archive" in refused(packed({"1.nii": volume}))
