"""The process that reads NIfTI and MetaImage files, and brings them onto the stored grid."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dpmed_core.errors import ImageError
from dpmed_core.imaging.ct.resample import resampled
from dpmed_core.imaging.ct.simpleitk import OtherFormat
from dpmed_core.imaging.ct.warnings import remarks_on_volume
from dpmed_core.imaging.subprocess_server import Answer, serve

MEMORY_BYTES = 6 << 30


def volume(question: Mapping[str, Any], _: bytes) -> Answer:
    """The file at `path` of `format` on the stored grid with `remarks`, or why it is `refused`."""
    try:
        slices, geometry = _open(Path(question["path"]), OtherFormat(question["format"]))
        values = resampled(slices, geometry)
        return {"remarks": remarks_on_volume(values, geometry)}, values.data
    except ImageError as error:
        return {"refused": str(error)}, b""
    except MemoryError:
        return {"refused": "needs more memory than a scan should: save it with fewer voxels."}, b""


def _open(path: Path, kind: OtherFormat) -> Any:
    """Slices and geometry; each library is imported when it is first needed."""
    if kind is OtherFormat.NIFTI:
        from dpmed_core.imaging.ct.nifti import read_nifti

        return read_nifti(path)
    from dpmed_core.imaging.ct.meta_image import read_meta_image

    return read_meta_image(path)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    serve(volume, memory_bytes=MEMORY_BYTES)
