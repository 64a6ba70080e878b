"""Several archives of one upload, unpacked into one folder: what is too large for one archive comes in parts."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from dpmed_core.errors import UploadError
from dpmed_core.uploads.archive import inspect, unpack
from dpmed_core.uploads.limits import DEFAULT_LIMITS, Limits

Progress = Callable[[int, int], None]


def unpack_all(paths: Sequence[Path], folder: Path, *, progress: Progress | None = None, limits: Limits = DEFAULT_LIMITS) -> int:
    """Unpack the archives at `paths` into the new `folder` (mode 0700); the number of files.

    Args:
        paths: the archives.
        folder: to unpack to; anything in it is removed first.
        progress: called with the bytes unpacked and their total.
        limits: that all archives together must keep.

    Raises:
        UploadError: one exceeds a limit, holds a forbidden entry, or is damaged, or two hold the same path; `folder` is then removed.
    """
    if len(paths) == 1:
        return unpack(paths[0], folder, progress=progress, limits=limits)
    sizes = [sum(entry.file_size for entry in inspect(path, limits)) for path in paths]
    counts = [len(inspect(path, limits)) for path in paths]
    if sum(sizes) > limits.total_bytes or sum(counts) > limits.entries:
        most = f"{limits.entries:,} files or {limits.total_bytes >> 30} GiB"
        raise UploadError(f"The ZIP archives hold more than {most} together: use a folder on the server.")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    part = folder.with_name(f"{folder.name}-part")
    try:
        for number, path in enumerate(paths):
            before = sum(sizes[:number])
            unpack(path, part, progress=_shifted(progress, before, sum(sizes)), limits=limits)
            _merge(part, folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return sum(counts)


def _shifted(progress: Progress | None, before: int, total: int) -> Progress | None:
    """`progress` of one archive as progress of all."""
    return None if progress is None else lambda done, _: progress(before + done, total)


def _merge(part: Path, folder: Path) -> None:
    """Move the files of `part` to the same paths in `folder`.

    Raises:
        UploadError: a path is taken.
    """
    for path in sorted(part.rglob("*")):
        target = folder / path.relative_to(part)
        if path.is_dir() and not target.is_file():
            target.mkdir(exist_ok=True, mode=0o700)
        elif target.exists():
            raise UploadError("Two of the ZIP archives hold a file with the same path: pack each file once.")
        else:
            path.rename(target)
