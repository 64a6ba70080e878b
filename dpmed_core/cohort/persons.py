"""Whom the patients of a cohort are: a keyed hash of each that is the same in other cohorts, in a file beside the table of cases.

`patient_id` is part of a cohort's fingerprint and depends on every character of the source's identifier; `01` and `1` are two
patients, and stay two. A person is what a patient is compared by when uses of the same patient's data are added up over cohorts.
"""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpmed_core.cohort.image_blocks import read_images
from dpmed_core.files import replacing
from dpmed_core.imaging.radiographs_at_128 import radiographs_at_128
from dpmed_core.keyed_hash import keyed_hex

FILE = "persons.parquet"
BLOCK_BYTES = 1 << 22


def persons_of_images(patients: Iterable[str], digests: Iterable[bytes], *, key: bytes) -> dict[str, str]:
    """patient_id -> person, from the images alone: where a source's identifiers say nothing about whom an image shows.

    The same image gives the same person wherever it stands in whatever source; a patient with several images is named by the one with
    the smallest digest.

    Args:
        patients: patient_id of each image.
        digests: SHA-256 of each image's stored pixels, in the same order.
        key: the installation's secret.
    """
    smallest: dict[str, bytes] = {}
    for patient, digest in zip(patients, digests, strict=True):
        if (known := smallest.get(patient)) is None or digest < known:
            smallest[patient] = digest
    return {patient: keyed_hex(key, "person", digest) for patient, digest in smallest.items()}


def pixel_digests(images: Path, *, at_128: bool = False) -> Iterable[bytes]:
    """SHA-256 of the pixels of each image of the stored array `images`, as the importer computes it.

    Args:
        images: the array's file.
        at_128: of finer radiographs, of what `radiographs_at_128` gives; the importer, which has the original, reduces that to 128 pixels.

    Raises:
        ValueError: the array is damaged.
    """
    for block in read_images(images, BLOCK_BYTES):
        for image in radiographs_at_128(block) if at_128 else block:
            yield sha256(image.tobytes()).digest()


def patients_of_one_person(patients: NDArray[np.object_], persons: Mapping[str, str]) -> list[NDArray[np.object_]]:
    """The patients of each person that stands for more than one of `patients`, sorted within and by their first."""
    table = pd.DataFrame({"patient": np.unique(patients)})
    table["person"] = table["patient"].map(persons)
    several = table[table["person"].duplicated(keep=False)]
    return [group["patient"].to_numpy() for _, group in several.groupby("person", sort=False)]


def write_persons(folder: Path, persons: Mapping[str, str]) -> None:
    """Store patient_id -> person in the folder of a cohort, durably."""
    with replacing(folder / FILE) as file:
        pd.DataFrame({"patient_id": list(persons), "person": list(persons.values())}).to_parquet(file, index=False)


def read_persons(folder: Path) -> dict[str, str] | None:
    """patient_id -> person as stored in the folder of a cohort; None if it was stored without.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is damaged.
    """
    if not (folder / FILE).exists():
        return None
    table = pd.read_parquet(folder / FILE)
    if list(table.columns) != ["patient_id", "person"] or table.empty:
        raise ValueError("not a table of persons")
    return dict(zip(table["patient_id"].tolist(), table["person"].tolist(), strict=True))
