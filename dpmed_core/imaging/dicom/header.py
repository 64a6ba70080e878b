"""Reading a DICOM header by allowlist: the attributes that are used, and the keywords of identifying ones, never their values."""

import io
import logging
import re
import struct
import threading
import warnings
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from pydicom import config
from pydicom.datadict import keyword_for_tag, tag_for_keyword
from pydicom.dataelem import RawDataElement, convert_raw_data_element
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.filereader import read_dataset, read_partial, read_preamble
from pydicom.tag import BaseTag, Tag
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from dpmed_core.errors import ImageError

PATIENT_ATTRIBUTES = ("PatientAge", "PatientSex", "PatientBirthDate", "StudyDate", "SeriesDate", "AcquisitionDate")
"""Age, the dates from which a missing age is computed, and sex. The dates are not kept."""
IMAGE_ATTRIBUTES = ("SOPClassUID", "Modality", "BodyPartExamined", "ViewPosition", "BurnedInAnnotation")
PIXEL_ATTRIBUTES = (
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "PlanarConfiguration",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
    "RescaleSlope",
    "RescaleIntercept",
    "ModalityLUTSequence",
    "VOILUTSequence",
    "VOILUTFunction",
    "WindowCenter",
    "WindowWidth",
    "RedPaletteColorLookupTableDescriptor",
    "GreenPaletteColorLookupTableDescriptor",
    "BluePaletteColorLookupTableDescriptor",
    "RedPaletteColorLookupTableData",
    "GreenPaletteColorLookupTableData",
    "BluePaletteColorLookupTableData",
    "SegmentedRedPaletteColorLookupTableData",
    "SegmentedGreenPaletteColorLookupTableData",
    "SegmentedBluePaletteColorLookupTableData",
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
    "PixelData",
    "FloatPixelData",
    "DoubleFloatPixelData",
)
ALLOWED_ATTRIBUTES = (*PATIENT_ATTRIBUTES, *IMAGE_ATTRIBUTES, *PIXEL_ATTRIBUTES)
"""The only attributes whose values are kept while an image is read; everything else is skipped."""

IDENTIFYING_ATTRIBUTES = frozenset(
    re.findall(
        r"\w+",
        """
    AccessionNumber AcquisitionDate AcquisitionDateTime AdditionalPatientHistory AdmissionID AdmittingDiagnosesDescription
    AuthorObserverSequence ClinicalTrialSubjectID ContentDate ContentCreatorName CountryOfResidence CurrentPatientLocation
    DeviceSerialNumber EthnicGroup ImageComments InstitutionAddress InstitutionName InstitutionalDepartmentName IssuerOfPatientID
    MedicalAlerts MedicalRecordLocator MilitaryRank NameOfPhysiciansReadingStudy Occupation OperatorsName OtherPatientIDs
    OtherPatientIDsSequence OtherPatientNames PatientAddress PatientBirthDate PatientBirthName PatientBirthTime PatientComments
    PatientID PatientInsurancePlanCodeSequence PatientMotherBirthName PatientName PatientReligiousPreference
    PatientTelephoneNumbers PerformedProcedureStepID PerformedProcedureStepStartDate PerformingPhysicianName PersonAddress
    PersonName PhysiciansOfRecord ReferringPhysicianAddress ReferringPhysicianName RegionOfResidence RequestAttributesSequence
    RequestedProcedureID RequestingPhysician ResponsibleOrganization ResponsiblePerson ScheduledPerformingPhysicianName
    ScheduledProcedureStepID SeriesDate SeriesInstanceUID SOPInstanceUID SpecialNeeds StationName StudyComments StudyDate StudyID
    StudyInstanceUID TextComments TextString VerifyingObserverName
    """,
    )
)
"""Attributes that may identify a patient. Source: DICOM PS3.15, annex E, basic application level confidentiality profile."""
PRIVATE = "PrivateAttributes"

SHARED_VRS, SHARED_BYTES = frozenset({"CS", "DS", "IS", "SS", "US"}), 64
"""Value representations of codes and numbers, which repeat in the files of one source: each distinct value is converted once and cached.

Names, dates, ages and identifiers have other representations and are never cached.
"""
TABLE_BITS = 16
"""Pixel values of at most so many bits are transformed through a lookup table instead of one by one."""
MAX_FILE_BYTES = 256 * 2**20
PREAMBLE_BYTES, PREFIX = 128, b"DICM"
META_GROUP, META_BYTES = 2, 1024
FIRST_PIXEL_TAG = 0x7FE00008
FIRST_GROUPS = (b"\x02\0", b"\x08\0", b"\0\x08")
"""The first bytes of a file without preamble: group 0002, or group 0008 in little or big endian."""
NATIVE_SYNTAX: dict[tuple[bool | None, bool | None], str] = {
    (True, True): ImplicitVRLittleEndian,
    (False, True): ExplicitVRLittleEndian,
    (False, False): ExplicitVRBigEndian,
}
"""(implicit VR, little endian) -> transfer syntax, for files whose header names none."""

DAMAGED = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
    BytesLengthException,
    InvalidDicomError,
)
"""What pydicom raises on files that are cut short or contradict themselves."""

logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)  # it logs header values
config.settings.reading_validation_mode = config.IGNORE  # the attributes that are used are checked here; no other needs to be valid


@dataclass(frozen=True, eq=False)
class DicomHeader:
    """The header of a file, as far as it was read.

    Attributes:
        attributes: the allowed attributes, pixel data among them.
        transfer_syntax: UID of their encoding.
        identifying: keywords of the identifying attributes that are not empty, and `PRIVATE` if there are private ones.
        stopped_at: offset in the file at which the element of the pixels begins, if it was not read and the file is not deflated.
    """

    attributes: Dataset = field(repr=False)
    transfer_syntax: str
    identifying: tuple[str, ...]
    stopped_at: int | None = None
    _values: dict[str, Any] = field(default_factory=dict, repr=False)

    def integer(self, keyword: str, default: int | None = None) -> int:
        """The attribute as a whole number.

        Raises:
            ImageError: it is missing and has no default, or is not a number.
        """
        value = self.value(keyword)
        try:
            return int(value) if value not in (None, "") else _required(default)
        except (ValueError, TypeError, OverflowError):
            raise ImageError(f"has no usable {keyword} in its header: export it again.") from None

    @property
    def photometric(self) -> str:
        """The photometric interpretation; MONOCHROME2 if it is missing, as in files older than the attribute."""
        return self.text("PhotometricInterpretation").upper() or "MONOCHROME2"

    @property
    def bits_stored(self) -> int:
        """Used bits of a pixel value; all of them if the file does not say."""
        return self.integer("BitsStored", self.integer("BitsAllocated"))

    def text(self, keyword: str) -> str:
        """The attribute as text without surrounding blanks; empty if it is missing or damaged."""
        value = self.value(keyword)
        return str(value).strip() if isinstance(value, str | int | float) else ""

    def value(self, keyword: str) -> Any:
        """The attribute's value; None if it is missing or damaged."""
        if keyword not in self._values:
            try:
                self._values[keyword] = self._converted(_tag(keyword))
            except DAMAGED:
                self._values[keyword] = None
        return self._values[keyword]

    def _converted(self, tag: BaseTag) -> Any:
        """The attribute's value, taken from a cache if files of one source are likely to share it: converting is slow."""
        raw = self.attributes.get_item(tag)
        if isinstance(raw, RawDataElement) and raw.VR in SHARED_VRS and len(raw.value or b"") <= SHARED_BYTES:
            return _shared(tag, raw.VR, raw.value, is_little_endian=raw.is_little_endian)
        return None if raw is None else self.attributes[tag].value

    def raw(self, keyword: str) -> object:
        """The attribute's bytes as in the file, which are faster to compare than values; None if it is missing."""
        element = self.attributes.get_item(_tag(keyword)) if _tag(keyword) in self.attributes else None
        value = getattr(element, "value", None)
        return value if value is None or isinstance(value, bytes) else str(value)


class _WarningSilencer:
    """Silences Python warnings while any thread is inside.

    `warnings.catch_warnings` saves and restores a state that all threads share: if two threads overlap, the first one to leave would
    restore warnings while the other still reads.
    """

    def __init__(self) -> None:
        self._lock, self._inside = threading.Lock(), 0
        self._context = warnings.catch_warnings()

    def enter(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._context = warnings.catch_warnings()
                self._context.__enter__()
                warnings.simplefilter("ignore")

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._context.__exit__(None, None, None)


_silencer = _WarningSilencer()


@contextmanager
def silenced_warnings() -> Iterator[None]:
    """Silences Python warnings while a file is read: those of pydicom hold header values."""
    _silencer.enter()
    try:
        yield
    finally:
        _silencer.leave()


def read_header(
    path: Path, *, attributes: Iterable[str] = ALLOWED_ATTRIBUTES, pixels: bool = True, max_bytes: int | None = None
) -> DicomHeader:
    """The header of the DICOM file at `path`, limited to `attributes`.

    Args:
        path: the file.
        attributes: keywords of the attributes to keep.
        pixels: False stops before the pixel data.
        max_bytes: a larger file is refused; None for `MAX_FILE_BYTES`.

    Raises:
        ImageError: it is not a DICOM file, too large, or damaged.
    """
    seen: set[int] = set()

    # pydicom calls this for every element before it decides whether to keep it, so skipped elements are noted too.
    def note_tag(tag: int, vr: str | None, length: int) -> bool:
        if length:
            seen.add(int(tag))
        return not pixels and int(tag) >= FIRST_PIXEL_TAG

    tags: list[BaseTag | int] = [_tag(keyword) for keyword in attributes]
    max_bytes = max_bytes or MAX_FILE_BYTES
    # `force` reads files without preamble too, so whether it is DICOM at all is checked first.
    with _opened(path, max_bytes) as file:
        start = file.read(PREAMBLE_BYTES + META_BYTES)
        file.seek(0)
        if not looks_like_dicom(start):
            raise ImageError("is not a DICOM file, whatever its name says: export it again.")
        try:
            # The transfer syntax is in the meta header, within the first bytes.
            if DeflatedExplicitVRLittleEndian.encode() in start:
                _refuse_deflate_bomb(file, max_bytes)
            found = read_partial(file, stop_when=note_tag, force=True, specific_tags=tags)
            syntax = str(found.file_meta.get("TransferSyntaxUID") or NATIVE_SYNTAX[found.original_encoding])
            # In a deflated file, the position is one of the decompressed data.
            stopped_at = None if pixels or syntax == DeflatedExplicitVRLittleEndian else file.tell()
        except DAMAGED:
            raise ImageError("is cut short or damaged: export it again.") from None
    return DicomHeader(found, syntax, _identifying(frozenset(seen)), stopped_at)


def looks_like_dicom(data: bytes) -> bool:
    """Whether `data` begins like a DICOM file, with a preamble or without."""
    return data[PREAMBLE_BYTES : PREAMBLE_BYTES + len(PREFIX)] == PREFIX or data[:2] in FIRST_GROUPS


@lru_cache(maxsize=1024)
def _shared(tag: BaseTag, vr: str, value: bytes | None, *, is_little_endian: bool) -> Any:
    """The converted value of an element with explicit VR."""
    raw = RawDataElement(tag, vr, len(value or b""), value, 0, is_implicit_VR=False, is_little_endian=is_little_endian)
    return convert_raw_data_element(raw).value


@cache
def _tag(keyword: str) -> BaseTag:
    tag = tag_for_keyword(keyword)
    assert tag is not None
    return Tag(tag)


def _required(default: int | None) -> int:
    if default is None:
        raise ValueError
    return default


class _BoundedFile(io.BufferedReader):
    """A file that never reads more than remains in it: Python would allocate the length that a damaged element declares."""

    size = 0

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > io.DEFAULT_BUFFER_SIZE:
            size = max(min(size, self.size - self.tell()), 0)
        return super().read(size)


def _opened(path: Path, max_bytes: int) -> _BoundedFile:
    try:
        file = _BoundedFile(path.open("rb", buffering=0))
        file.size = file.seek(0, io.SEEK_END)
        file.seek(0)
    except OSError:
        raise ImageError("cannot be opened: check that it exists and is readable.") from None
    if file.size > max_bytes:
        size = file.size
        file.close()
        raise ImageError(f"has {size >> 20:,} MiB, more than the {max_bytes >> 20:,} MiB that one file may have: export it smaller.")
    return file


def _refuse_deflate_bomb(file: _BoundedFile, max_bytes: int) -> None:
    """Check that a deflated data set stays within `max_bytes` when decompressed; pydicom would decompress it whole.

    Raises:
        ImageError: it does not.
    """
    read_preamble(file, force=True)
    read_dataset(file, is_implicit_VR=False, is_little_endian=True, stop_when=lambda tag, vr, length: tag >> 16 != META_GROUP)
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    # The output is bounded; what remains unread shows that there is more.
    unpacker.decompress(file.read(), max_bytes)
    if unpacker.unconsumed_tail:
        raise ImageError(f"decompresses to more than {max_bytes >> 20:,} MiB, the most that one file may have: export it smaller.")
    file.seek(0)


@lru_cache(maxsize=256)
def _identifying(seen: frozenset[int]) -> tuple[str, ...]:
    """Keywords of the identifying attributes among the tags `seen`, sorted."""
    keywords = {keyword_for_tag(tag) for tag in seen} & IDENTIFYING_ATTRIBUTES
    private = {PRIVATE} if any((tag >> 16) % 2 for tag in seen) else set()  # odd groups are private. Source: DICOM PS3.5 7.8.1
    return tuple(sorted(keywords | private))
