"""The demo cohort: synthetic films, written as DICOM and read back as a hospital's files would be."""

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

from dpmed_core.cohort.importer import import_manifest
from dpmed_core.cohort.phantoms.film import render_film
from dpmed_core.cohort.phantoms.population import COMORBIDITIES, FINDINGS, draw_population
from dpmed_core.cohort.report import ImportReport
from dpmed_core.cohort.store import CohortStore
from dpmed_core.cohort.stored import STORED_SIZE

BITS_STORED = 12
CHUNK = 40
INVERTED_EVERY = 5
"""Every so many films are written as MONOCHROME1, so that a demo exercises that path too."""
RENDERING_SHARE = 0.85
"""Share of the time that drawing and writing takes; the rest is reading back."""


def add_demo_radiograph(
    store: CohortStore,
    *,
    name: str = "demo-radiograph",
    n_cases: int = 1600,
    seed: int = 0,
    workers: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> ImportReport:
    """Draw `n_cases` films, write them as DICOM, and import them as cohort `name`, marked synthetic.

    Args:
        store: where the cohort goes.
        name: what to call it.
        n_cases: films.
        seed: another seed gives other patients.
        workers: processes that draw.
        progress: called with films done, of `n_cases`.

    Raises:
        CohortError: the name cannot be used.
    """
    store.refuse_unusable(name)
    with store.draft() as folder:
        population = draw_population(n_cases, seed=seed, variant="demo")
        _write_films(population, folder, seed=seed, workers=workers, progress=progress)
        return import_manifest(
            store,
            name,
            manifest=_write_manifest(population, folder),
            images_dir=None,
            findings=FINDINGS,
            comorbidities=COMORBIDITIES,
            synthetic=True,
            progress=_later_share(progress, n_cases),
        )


def write_dicom(path: Path, pixels: NDArray[np.float32], *, age: int, sex: str, portable: bool, inverted: bool) -> None:
    """Write `pixels` `[rows, columns]` in [0, 1] as a de-identified digital radiograph (DX), 12 bits. Source: DICOM PS3.3 A.26."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    film = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    film.SOPClassUID, film.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    film.Modality, film.BodyPartExamined, film.ViewPosition = "DX", "CHEST", "AP" if portable else "PA"
    film.Manufacturer, film.ImageComments = "DPMed phantom", "Synthetic: drawn by a computer, shows no patient"
    film.PatientIdentityRemoved, film.DeidentificationMethod = "YES", "synthetic"
    film.PatientAge, film.PatientSex = f"{age:03d}Y", sex
    film.PhotometricInterpretation = "MONOCHROME1" if inverted else "MONOCHROME2"
    film.SamplesPerPixel, film.PixelRepresentation = 1, 0
    film.BitsAllocated, film.BitsStored, film.HighBit = 16, BITS_STORED, BITS_STORED - 1
    film.Rows, film.Columns = pixels.shape
    top = 2**BITS_STORED - 1
    film.WindowCenter, film.WindowWidth = (top + 1) / 2, top + 1
    stored = np.rint(pixels * top).astype(np.uint16)
    film.PixelData = (top - stored if inverted else stored).tobytes()
    film.save_as(path, enforce_file_format=True)


def _write_films(population: pd.DataFrame, folder: Path, *, seed: int, workers: int, progress: Callable[[int, int], None] | None) -> None:
    (folder / "films").mkdir()
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
        film = population.iloc[index]
        write_dicom(
            folder / _file_name(index),
            render_film(film, index, size=STORED_SIZE, seed=seed, variant="demo"),
            age=int(film["age"]),
            sex=str(film["sex"]),
            portable=bool(film["portable"]),
            inverted=index % INVERTED_EVERY == 0,
        )


def _write_manifest(population: pd.DataFrame, folder: Path) -> Path:
    """A manifest that leaves age and sex to the DICOM headers."""
    table = population[[*FINDINGS, *COMORBIDITIES]].copy()
    table.insert(0, "image", [_file_name(index) for index in range(len(table))])
    table.insert(1, "patient_id", "phantom-" + population["patient"].astype(str))
    path = folder / "manifest.csv"
    table.to_csv(path, index=False)
    return path


def _file_name(index: int) -> str:
    return f"films/{index:06d}.dcm"


def _later_share(progress: Callable[[int, int], None] | None, n_cases: int) -> Callable[[int, int], None] | None:
    if progress is None:
        return None
    begun = int(n_cases * RENDERING_SHARE)
    return lambda done, total: progress(begun + done * (n_cases - begun) // total, n_cases)
