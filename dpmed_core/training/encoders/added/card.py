"""The card of an added encoder: what its user says of it, checked; no torch. The fields are described in `docs/encoders.md`."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dpmed_core.cohort.sources.catalogue import ADAPTERS, MANIFEST
from dpmed_core.errors import EncoderError
from dpmed_core.files import UnreadableFileError, check_fields, read_object
from dpmed_core.foreign_text import plain_line
from dpmed_core.training.encoders.architectures.catalogue import architecture_called

LONGEST_TEXT, MOST_SOURCES = 1_000, 20
SIDES = (32, 512)
"""Smallest and largest side of an encoder's input in pixels."""
SMALLEST_CROP = 0.5
INTERPOLATIONS = ("bilinear", "bicubic", "nearest")
ANY_DATA = (None, MANIFEST, "dicom", "medmnist")
"""Layouts that may hold images from anywhere."""
DIGEST = re.compile(r"[0-9a-f]{64}")
SOURCE_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,59}")
_TEXTS = ("title", "data", "licence", "source", "revision", "sha256", "architecture")
_KINDS: Mapping[str, type] = {**dict.fromkeys(_TEXTS, str), "file": str, "public": bool, "data_sources": list, "preprocessing": dict}
_PREPROCESSING_KINDS: Mapping[str, type] = {"input_size": int, "crop": float, "interpolation": str, "mean": list, "std": list}


@dataclass(frozen=True)
class Preprocessing:
    """From a stored radiograph to the network's input.

    A radiograph, 0 for black to 1 for white, is resized to `input_size` / `crop` pixels, cut to its middle `input_size` pixels, repeated in
    as many channels as `mean` has, and normalised: (value - mean) / std.

    Attributes:
        input_size: side of the input in pixels.
        crop: share of the resized side that is kept.
        interpolation: one of `INTERPOLATIONS`; with antialiasing.
        mean: subtracted, one number a channel: one or three.
        std: divided by, likewise.
    """

    input_size: int
    crop: float
    interpolation: str
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def resized(self) -> int:
        """Side of the radiograph before it is cut."""
        return round(self.input_size / self.crop)


@dataclass(frozen=True)
class AddedCard:
    """What is known of an added encoder; text is foreign.

    Attributes:
        title: a few words.
        data: which data it was trained on, in a sentence.
        data_sources: the same as names: kinds of `cohort add --source` where it was trained on such data, any other name otherwise.
        licence: of the weights.
        source: where the file is from: a package, a repository.
        revision: the version or commit there.
        sha256: of the file, as it was downloaded.
        file: the weights in a package that holds several; empty elsewhere.
        architecture: a name of `architectures.catalogue.ARCHITECTURES`.
        preprocessing: of its input.
    """

    title: str
    data: str
    data_sources: tuple[str, ...]
    licence: str
    source: str
    revision: str
    sha256: str
    architecture: str
    preprocessing: Preprocessing
    file: str = ""

    def caution(self, name: str, source: str | None, *, synthetic: bool = False) -> str | None:
        """What to know before training on a cohort with the encoder called `name`; None where nothing speaks against it.

        Args:
            name: of the encoder.
            source: the layout from which the cohort was imported, a name of `cohort.sources.catalogue.ADAPTERS`; None where not known.
            synthetic: the cohort shows no patient.
        """
        if synthetic:
            return None
        known = [one for one in self.data_sources if one in ADAPTERS]
        if source in known:
            return (
                f"Encoder {name} was trained on {source}, and this cohort was imported from it: the encoder may know these patients. ε "
                "does not cover what it knows of them, and measured accuracy may be too high."
            )
        if known and source in ANY_DATA:
            return (
                f"Encoder {name} was trained on {', '.join(known)}, and where this cohort's images were published is not known here: make "
                "sure that they are not among these. ε does not cover what an encoder knows of the patients that it was trained on."
            )
        return None

    def to_fields(self) -> dict[str, object]:
        """The card as plain values for JSON."""
        return {**asdict(self), "public": True}

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any], *, architecture: str | None = None) -> "AddedCard":
        """The card that a user wrote, or `to_fields` made.

        Args:
            fields: its JSON object.
            architecture: what the user said beside the card.

        Raises:
            UnreadableFileError: a field is missing, of another type, or not known.
            EncoderError: a value cannot be used, or the card does not say that the data are public.
        """
        given = {"file": "", **({"architecture": architecture} if architecture else {}), **fields}
        check_fields(given, _KINDS)
        if architecture not in (None, given["architecture"]):
            raise EncoderError(
                f"The card says {plain_line(given['architecture'], 60)!r}, and --architecture says {architecture!r}: correct one."
            )
        # Exactly true: any other value may be a card that was not meant to say so.
        if given["public"] is not True:
            raise EncoderError(
                'The card does not say that the encoder\'s training data are public ("public": true): an encoder is outside the guarantee, '
                "so one that was trained on data that are not public cannot be used."
            )
        preprocessing = _preprocessing(given["preprocessing"], architecture_called(given["architecture"]).multiple_of)
        texts = {name: _text(name, given[name], may_be_empty=name == "file") for name in (*_TEXTS, "file")}
        if not DIGEST.fullmatch(texts["sha256"]):
            raise EncoderError(
                "The card's sha256 is not 64 hexadecimal digits in lower case: give the SHA-256 of the file as it was downloaded."
            )
        return cls(**texts, data_sources=_sources(given["data_sources"]), preprocessing=preprocessing)


def read_card(path: Path, *, architecture: str | None = None) -> AddedCard:
    """The card that a user wrote in the file `path`; `architecture` as in `AddedCard.from_fields`.

    Raises:
        EncoderError: it cannot be read or used.
    """
    try:
        return AddedCard.from_fields(read_object(path), architecture=architecture)
    except UnreadableFileError as error:
        raise EncoderError(f"The card {error}: see docs/encoders.md for its fields.") from None


def _text(name: str, value: str, *, may_be_empty: bool) -> str:
    text = " ".join(value.split())
    if len(text) > LONGEST_TEXT or not (text or may_be_empty):
        raise EncoderError(f"The card's {name} is empty or longer than {LONGEST_TEXT:,} characters: correct it.")
    return text


def _sources(values: list[Any]) -> tuple[str, ...]:
    if not 0 < len(values) <= MOST_SOURCES or not all(isinstance(value, str) and SOURCE_NAME.fullmatch(value) for value in values):
        raise EncoderError(
            f"The card's data_sources are not 1 to {MOST_SOURCES} names of lower-case letters, digits, dots and hyphens: write them as "
            '["imagenet-1k"], and data that `cohort add --source` knows by the name that it has there.'
        )
    return tuple(dict.fromkeys(values))


def _preprocessing(fields: Mapping[str, Any], multiple_of: int) -> Preprocessing:
    check_fields(fields, _PREPROCESSING_KINDS)
    size, crop = fields["input_size"], float(fields["crop"])
    if not SIDES[0] <= size <= SIDES[1] or size % multiple_of:
        raise EncoderError(f"The card's input_size is {size}: choose a multiple of {multiple_of} from {SIDES[0]} to {SIDES[1]} pixels.")
    if not SMALLEST_CROP <= crop <= 1:
        raise EncoderError(f"The card's crop is {crop:g}: it is the share of the resized side that is kept, from {SMALLEST_CROP:g} to 1.")
    if fields["interpolation"] not in INTERPOLATIONS:
        raise EncoderError(f"The card's interpolation is none of {', '.join(INTERPOLATIONS)}: correct it.")
    mean, std = _numbers("mean", fields["mean"]), _numbers("std", fields["std"])
    if len(mean) != len(std) or min(std) <= 0:
        raise EncoderError("The card's mean and std are not as many numbers, or a std is not above 0: correct them.")
    return Preprocessing(size, crop, fields["interpolation"], mean, std)


def _numbers(name: str, values: list[Any]) -> tuple[float, ...]:
    fit = all(isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e6 for value in values)
    if len(values) not in (1, 3) or not fit:
        raise EncoderError(f"The card's {name} is not one number, or three, for values from 0 (black) to 1 (white): correct it.")
    return tuple(map(float, values))
