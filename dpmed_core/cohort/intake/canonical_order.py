"""From what was read to what is stored: one order of cases, whatever the order of files, and the pixels in it."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpmed_core.cohort.intake.journal import SEXES, Journal
from dpmed_core.cohort.intake.row_table import RowTable
from dpmed_core.cohort.schema import CASE_COLUMNS
from dpmed_core.imaging.modality import Sex
from dpmed_core.keyed_hash import keyed_hex


def case_id(patient: str, pixel_digest: bytes, occurrence: int, *, key: bytes) -> str:
    """A case's keyed name: its patient, its stored pixels and, among that patient's identical images, its number."""
    return keyed_hex(key, "case", patient, pixel_digest, str(occurrence))


def arrange(row_table: RowTable, journal: Journal, *, key: bytes) -> tuple[pd.DataFrame, NDArray[np.intp]]:
    """The table of cases in canonical order, and for each of its rows the place in the row table."""
    places = np.flatnonzero(journal.is_read)
    labels = row_table.labels[places]
    cases = pd.DataFrame(
        {
            "patient_id": [row_table.patients[i] for i in places],
            "age": [_age(row_table.ages[i], journal.ages[i]) for i in places],
            "sex": [_sex(row_table.sexes[i], int(journal.sexes[i])) for i in places],
            "split": [None if (part := row_table.parts[i]) is None else part.value for i in places],
            **{name: labels[:, column] for column, name in enumerate(row_table.columns)},
            "digest": [journal.digests[i].tobytes().hex() for i in places],
        }
    )
    # identical images of one patient are numbered by what their rows say, not by the files' order
    content = pd.Series(["|".join(map(str, row)) for row in cases.itertuples(index=False)])
    occurrence = cases.loc[content.sort_values(kind="stable").index].groupby(["patient_id", "digest"]).cumcount()
    cases["case_id"] = [
        case_id(patient, bytes.fromhex(digest), int(occurrence[row]), key=key)
        for row, (patient, digest) in enumerate(zip(cases["patient_id"], cases["digest"], strict=True))
    ]
    cases["split"] = cases["split"].astype(object)
    ordered = cases.sort_values(["patient_id", "case_id"])
    return ordered[[*CASE_COLUMNS, *row_table.columns]].reset_index(drop=True), places[ordered.index.to_numpy()]


def store_pixels(journal: Journal, stored: Path, places: NDArray[np.intp]) -> None:
    """Write the journal's slots in the order of `places` as the array `stored`, durably; no more than one is held in memory."""
    form = journal.form
    with journal.pixels.open("rb") as slots, stored.open("wb") as file:
        header = {"descr": form.dtype, "fortran_order": False, "shape": (len(places), *form.shape)}
        np.lib.format.write_array_header_1_0(file, header)
        for place in places:
            file.write(os.pread(slots.fileno(), form.n_bytes, int(place) * form.n_bytes))
        file.flush()
        os.fsync(file.fileno())


def _age(given: float, header: float) -> float:
    return header if np.isnan(given) else given


def _sex(given: Sex, header: int) -> str:
    return (given if given is not Sex.UNKNOWN else SEXES[header]).value
