"""The size of a radiograph by what its file's header says, without decoding any pixels."""

from pathlib import Path

from PIL import Image

from dpmed_core.errors import CohortError, ImageError
from dpmed_core.imaging.dicom.header import looks_like_dicom, read_header, silenced_warnings
from dpmed_core.imaging.file_kinds import START_BYTES
from dpmed_core.imaging.locations import HeldLocation
from dpmed_core.imaging.npz_archive import ArrayImage, array_layouts
from dpmed_core.imaging.picture import DAMAGED, FORMATS


def longer_side(image: HeldLocation) -> int | None:
    """The longer side of the radiograph at `image`, in pixels; None where it is no file or archive, or does not say."""
    try:
        if isinstance(image, ArrayImage):
            return max(array_layouts(image.archive)[image.member].shape[1:3])
        return _of_file(Path(image)) if isinstance(image, str) else None
    except (*DAMAGED, ImageError, CohortError):
        return None


def _of_file(path: Path) -> int:
    with path.open("rb") as file:
        if looks_like_dicom(file.read(START_BYTES)):
            with silenced_warnings():
                header = read_header(path, attributes=("Rows", "Columns"), pixels=False)
            return max(header.integer("Rows"), header.integer("Columns"))
        file.seek(0)
        with Image.open(file, formats=FORMATS) as picture:
            return max(picture.size)
