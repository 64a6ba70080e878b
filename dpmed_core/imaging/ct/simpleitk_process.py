"""The subprocess that reads NIfTI and MetaImage files and resamples them to the stored grid."""

import warnings
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dpmed_core.errors import ImageError
from dpmed_core.imaging.ct.resample import resampled
from dpmed_core.imaging.ct.simpleitk import VolumeFormat
from dpmed_core.imaging.ct.volume_file import OpenedVolume
from dpmed_core.imaging.ct.warnings import hounsfield_words, warnings_of_volume
from dpmed_core.imaging.reading import Reading
from dpmed_core.imaging.subprocess_server import Answer, serve

MEMORY_BYTES = 6 << 30


def volume(request: Mapping[str, Any], _: bytes) -> Answer:
    """The answer to a request for the file at `path` of `format`: the volume on the stored grid with `warnings`, or why it is `refused`."""
    try:
        kind = VolumeFormat(request["format"])
        opened: OpenedVolume = _open(Path(request["path"]), kind)
        values = resampled(opened.slices, opened.geometry)
        warnings_ = [*opened.warnings, *warnings_of_volume(values, opened.geometry)]
        reading = Reading(kind.value, opened.bits, hounsfield_words(values), opened.geometry.words, assumed=opened.assumed)
        return {"warnings": warnings_, "reading": asdict(reading)}, values.data
    except ImageError as error:
        return {"refused": str(error)}, b""
    except MemoryError:
        return {"refused": f"needs more than {MEMORY_BYTES >> 30} GiB of memory to be read: save it with fewer voxels."}, b""


def _open(path: Path, kind: VolumeFormat) -> Any:
    """The opened volume; each library is imported only when it is first needed, since both take long to load."""
    if kind is VolumeFormat.NIFTI:
        from dpmed_core.imaging.ct.nifti import read_nifti

        return read_nifti(path)
    from dpmed_core.imaging.ct.meta_image import read_meta_image

    return read_meta_image(path)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    serve(volume, memory_bytes=MEMORY_BYTES)
