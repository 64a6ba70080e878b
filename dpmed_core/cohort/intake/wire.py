"""What worker processes are asked and what they answer, as messages: images to read, and the images as read."""

import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from dpmed_core.cohort.intake.read_result import Chunk, ReadChunk, ReadResult
from dpmed_core.imaging.ct.series import SeriesFiles
from dpmed_core.imaging.locations import HeldLocation
from dpmed_core.imaging.modality import Modality, Sex
from dpmed_core.imaging.npz_archive import ArrayImage
from dpmed_core.imaging.stored_format import STORED_SIZE, form_of
from dpmed_core.phantoms.drawn_scan import SyntheticScan

DIGEST_BYTES = 32


def request_of(chunk: Chunk, modality: Modality, side: int = STORED_SIZE) -> dict[str, Any]:
    """The request to read `chunk`, radiographs with `side` pixels."""
    return {"modality": modality.value, "side": side, "images": [[index, _location_fields(image)] for index, image in chunk]}


def requested(head: Mapping[str, Any]) -> tuple[Chunk, Modality, int]:
    """The chunk, the modality and the side of a request."""
    return [(index, _location(fields)) for index, fields in head["images"]], Modality(head["modality"]), int(head["side"])


def answer_of(read: ReadChunk) -> tuple[dict[str, Any], bytes]:
    """The answer with `read`: what is said of each image, and the pixels of all that could be read."""
    said = [{**asdict(_without_pixels(one)), "index": index, **_hex_digests(one)} for index, one in read]
    return {"read": said}, b"".join(one.pixels or b"" for _, one in read)


def answered(head: Mapping[str, Any], pixels: bytes, chunk: Chunk, modality: Modality, side: int = STORED_SIZE) -> ReadChunk:
    """The answer to the request for `chunk`, checked: the process that gave it may have been taken over by a file.

    Raises:
        ValueError: it is not an answer to this request.
    """
    n_bytes, start, read = form_of(modality, side).n_bytes, 0, []
    further = 0 if modality is not Modality.RADIOGRAPH or side == STORED_SIZE else DIGEST_BYTES
    try:
        for (index, _), said in zip(chunk, head["read"], strict=True):
            digest = bytes.fromhex(said["digest"])
            stop = start + (n_bytes if digest else 0)
            read.append((index, _checked(said, digest, pixels[start:stop] if digest else None)))
            if (
                said["index"] != index
                or len(digest) not in (0, DIGEST_BYTES)
                or len(read[-1][1].digest_at_128) != (further if digest else 0)
            ):
                raise ValueError
            start = stop
    except (KeyError, TypeError, AttributeError, OverflowError):
        raise ValueError from None
    if start != len(pixels):
        raise ValueError
    return read


def _hex_digests(read: ReadResult) -> dict[str, str]:
    return {"digest": read.digest.hex(), "digest_at_128": read.digest_at_128.hex()}


def _without_pixels(read: ReadResult) -> ReadResult:
    fields = {name: value for name, value in vars(read).items() if name != "pixels"}
    return ReadResult(**fields)


def _checked(said: dict[str, Any], digest: bytes, pixels: bytes | None) -> ReadResult:
    """One result, every field of its own type."""
    age = None if said["age"] is None else float(said["age"])
    if age is not None and not math.isfinite(age):
        raise ValueError
    texts = {name: tuple(map(_text, said[name])) for name in ("warnings", "identifying")}
    signature = tuple(map(int, said["signature"]))
    return ReadResult(
        signature,
        pixels,
        digest,
        age,
        Sex(said["sex"]),
        _text(said["message"]),
        **texts,
        digest_at_128=bytes.fromhex(said["digest_at_128"]),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _location_fields(image: HeldLocation) -> dict[str, Any]:
    match image:
        case str():
            return {"path": image}
        case ArrayImage():
            return {"archive": str(image.archive), "member": image.member, "index": image.index}
        case SeriesFiles():
            return {"paths": image.paths}
        case SyntheticScan():
            case = {name: getattr(value, "item", lambda value=value: value)() for name, value in image.case.items()}
            return {"case": case, "index": image.index, "seed": image.seed, "scratch": str(image.scratch), "variant": image.variant}
    raise TypeError(f"{type(image).__name__} is not an image that a worker can read")


def _location(fields: dict[str, Any]) -> HeldLocation:
    match fields:
        case {"path": path}:
            return str(path)
        case {"archive": archive, "member": member, "index": index}:
            return ArrayImage(Path(archive), member, index)
        case {"paths": paths}:
            return SeriesFiles(tuple(paths))
        case {"case": case, "index": index, "seed": seed, "scratch": scratch, "variant": "demo" | "advanced" as variant}:
            return SyntheticScan(pd.Series(case, dtype=object), index, seed, Path(scratch), variant)
    raise TypeError
