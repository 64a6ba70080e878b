"""A program that reads files from outside and has stopped is ended when its time is over, and the next file gets another."""

import os
import signal

import psutil
import pytest

from dpmed_core.imaging.ct.simpleitk import READER, VolumeFormat
from dpmed_core.imaging.subprocess_client import ask_subprocess, end_subprocess


def readers() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if READER in child.cmdline()]


def test_a_reader_that_was_stopped_is_ended(tmp_path) -> None:
    (tmp_path / "not.nii").write_bytes(b"nothing")
    asked = {"path": str(tmp_path / "not.nii"), "format": VolumeFormat.NIFTI.value}
    try:
        ask_subprocess(READER, asked, seconds=60)
        [reader] = readers()
        os.kill(reader.pid, signal.SIGSTOP)
        with pytest.raises(TimeoutError):
            ask_subprocess(READER, asked, seconds=0.5)
        assert not reader.is_running()
        ask_subprocess(READER, asked, seconds=60)
        assert [another.pid for another in readers()] != [reader.pid]
    finally:
        end_subprocess(READER)
