"""The radiograph demo cohort: synthetic chest radiographs, written as DICOM and read back by the importer."""

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

from dpmed_core.cohort.intake.importer import import_manifest
from dpmed_core.cohort.report import ImportReport
from dpmed_core.cohort.schema import STUDY_ORDER
from dpmed_core.cohort.store import CohortStore
from dpmed_core.imaging.stored_format import STORED_SIZE
from dpmed_core.phantoms.chest.population import COMORBIDITIES, FINDINGS, draw_population
from dpmed_core.phantoms.chest.radiograph import render_radiograph

BITS_STORED = 12
CHUNK = 40
INVERTED_EVERY = 5
"""One image in so many is written as MONOCHROME1, so that the demo exercises that code too."""
RENDERING_SHARE = 0.85
"""Share of the time that drawing and writing takes; the rest is for reading back."""


def add_demo_radiograph(
    store: CohortStore,
    *,
    name: str = "demo-radiograph",
    n_cases: int = 1600,
    seed: int = 0,
    workers: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> ImportReport:
    """Draw `n_cases` radiographs, write them as DICOM, and import them as cohort `name`, marked as synthetic.

    Args:
        store: of the new cohort.
        name: of the new cohort.
        n_cases: number of radiographs.
        seed: each seed gives other patients.
        workers: processes that draw.
        progress: called with the number of radiographs done and `n_cases`.

    Raises:
        CohortError: the name cannot be used.
    """
    store.refuse_unusable(name)
    with store.draft() as folder:
        population = draw_population(n_cases, seed=seed, variant="demo")
        _write_images(population, folder, seed=seed, workers=workers, progress=progress)
        return import_manifest(
            store,
            name,
            manifest=_write_manifest(population, folder),
            images_dir=None,
            findings=FINDINGS,
            comorbidities=COMORBIDITIES,
            pixels=STORED_SIZE,
            synthetic=True,
            progress=_later_share(progress, n_cases),
        )


def write_dicom(path: Path, pixels: NDArray[np.float32], *, age: int, sex: str, portable: bool, inverted: bool) -> None:
    """Write `pixels` as a digital radiograph (DX) of 12 bits without patient data. Source: DICOM PS3.3 A.26.

    Args:
        path: of the file.
        pixels: `[rows, columns]` in [0, 1], bright = dense.
        age: years.
        sex: F, M or O.
        portable: the view is AP instead of PA.
        inverted: store the negative, as MONOCHROME1.
    """
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    image.SOPClassUID, image.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    image.Modality, image.BodyPartExamined, image.ViewPosition = "DX", "CHEST", "AP" if portable else "PA"
    image.Manufacturer, image.ImageComments = "DPMed phantom", "Synthetic: drawn by a computer, shows no patient"
    image.PatientIdentityRemoved, image.DeidentificationMethod = "YES", "synthetic"
    image.PatientAge, image.PatientSex = f"{age:03d}Y", sex
    image.PhotometricInterpretation = "MONOCHROME1" if inverted else "MONOCHROME2"
    image.SamplesPerPixel, image.PixelRepresentation = 1, 0
    image.BitsAllocated, image.BitsStored, image.HighBit = 16, BITS_STORED, BITS_STORED - 1
    image.Rows, image.Columns = pixels.shape
    top = 2**BITS_STORED - 1
    image.WindowCenter, image.WindowWidth = (top + 1) / 2, top + 1
    # The window covers the whole range, so reading gives the drawn pixels back, to 12 bits.
    stored = np.rint(pixels * top).astype(np.uint16)
    image.PixelData = (top - stored if inverted else stored).tobytes()
    image.save_as(path, enforce_file_format=True)


def _write_images(population: pd.DataFrame, folder: Path, *, seed: int, workers: int, progress: Callable[[int, int], None] | None) -> None:
    """Draw and write all radiographs of `population` in chunks, by `workers` processes of lower priority."""
    (folder / "images").mkdir()
    n_cases = len(population)
    chunks = [range(start, min(start + CHUNK, n_cases)) for start in range(0, n_cases, CHUNK)]
    write = partial(_write_chunk, population, folder, seed)
    done = 0
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=os.nice, initargs=(5,)) as pool:
        for chunk, _ in zip(chunks, pool.map(write, chunks), strict=True):
            done += len(chunk)
            if progress:
                progress(int(done * RENDERING_SHARE), n_cases)


def _write_chunk(population: pd.DataFrame, folder: Path, seed: int, indices: range) -> None:
    for index in indices:
        image = population.iloc[index]
        write_dicom(
            folder / _file_name(index),
            render_radiograph(image, index, size=STORED_SIZE, seed=seed, variant="demo"),
            age=int(image["age"]),
            sex=str(image["sex"]),
            portable=bool(image["portable"]),
            inverted=index % INVERTED_EVERY == 0,
        )


def _write_manifest(population: pd.DataFrame, folder: Path) -> Path:
    """Write a manifest that leaves age and sex to the DICOM headers; its path."""
    table = population[[*FINDINGS, *COMORBIDITIES]].copy()
    table.insert(0, "image", [_file_name(index) for index in range(len(table))])
    table.insert(1, "patient_id", "phantom-" + population["patient"].astype(str))
    table.insert(2, STUDY_ORDER, population.groupby("patient").cumcount())  # as they were drawn: phantoms do not change with time
    path = folder / "manifest.csv"
    table.to_csv(path, index=False)
    return path


def _file_name(index: int) -> str:
    return f"images/{index:06d}.dcm"


def _later_share(progress: Callable[[int, int], None] | None, n_cases: int) -> Callable[[int, int], None] | None:
    """`progress` for the second step, whose progress fills what the first step left."""
    if progress is None:
        return None
    begun = int(n_cases * RENDERING_SHARE)
    return lambda done, total: progress(begun + done * (n_cases - begun) // total, n_cases)
