"""An upload in several archives becomes one folder, or is refused whole."""

import io
import zipfile
from dataclasses import replace

import pytest

from dpmed_core.errors import UploadError
from dpmed_core.settings import Settings
from dpmed_core.uploads.archives import unpack_all
from dpmed_core.uploads.jobs import Jobs
from dpmed_core.uploads.limits import DEFAULT_LIMITS


def packed(path, **files):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/").replace("_dot_", "."), content)
    return path


def test_archives_are_unpacked_into_one_folder_with_progress_over_all(tmp_path):
    one = packed(tmp_path / "1.zip", images__a_dot_png=b"1234", list_dot_csv=b"image\n")
    other = packed(tmp_path / "2.zip", images__b_dot_png=b"12")
    seen = []
    assert unpack_all([one, other], tmp_path / "files", progress=lambda done, total: seen.append((done, total))) == 3
    assert sorted(str(p.relative_to(tmp_path / "files")) for p in (tmp_path / "files").rglob("*.*")) == [
        "images/a.png",
        "images/b.png",
        "list.csv",
    ]
    assert seen[-1] == (12, 12) and not (tmp_path / "files-part").exists()


def test_a_path_in_two_archives_or_too_much_together_is_refused_and_nothing_stays(tmp_path):
    one, other = packed(tmp_path / "1.zip", a_dot_png=b"1"), packed(tmp_path / "2.zip", a_dot_png=b"2")
    with pytest.raises(UploadError, match="same path"):
        unpack_all([one, other], tmp_path / "files")
    assert not (tmp_path / "files").exists()
    with pytest.raises(UploadError, match="together"):
        unpack_all([one, packed(tmp_path / "3.zip", b_dot_png=b"2")], tmp_path / "files", limits=replace(DEFAULT_LIMITS, entries=1))
    assert not (tmp_path / "files").exists()


def test_the_largest_upload_is_a_setting(tmp_path, monkeypatch):
    monkeypatch.setattr(Jobs, "start", lambda self, job, stage: None)
    jobs = Jobs(Settings(data_dir=tmp_path, upload_mib=1))
    assert [path.stat().st_size for path in jobs.begin_upload(io.BytesIO(b"12"), io.BytesIO(b"345")).uploads] == [2, 3]
    with pytest.raises(UploadError, match="larger than 1 MiB"):
        jobs.begin_upload(io.BytesIO(bytes((1 << 20) + 1)))
    assert len(jobs.all()) == 1
