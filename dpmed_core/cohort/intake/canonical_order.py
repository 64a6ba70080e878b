"""From the images read to the stored cohort: one order of cases, whatever the order of files, and the pixels in that order."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpmed_core.cohort.intake.journal import SEXES, Journal
from dpmed_core.cohort.intake.row_table import RowTable
from dpmed_core.cohort.schema import CASE_COLUMNS, STUDY_ORDER
from dpmed_core.imaging.modality import Sex
from dpmed_core.keyed_hash import keyed_hex


def case_id(patient: str, pixel_digest: bytes, occurrence: int, *, key: bytes) -> str:
    """The keyed name of a case.

    Args:
        patient: the patient's keyed hash.
        pixel_digest: SHA-256 of the stored pixels.
        occurrence: number of the case among the patient's identical images, from 0.
        key: the installation's secret.
    """
    return keyed_hex(key, "case", patient, pixel_digest, str(occurrence))


def arrange(row_table: RowTable, journal: Journal, *, key: bytes) -> tuple[pd.DataFrame, NDArray[np.intp]]:
    """(the table of cases in canonical order, for each of its rows the index in the row table)."""
    indices = np.flatnonzero(journal.is_read)
    labels = row_table.labels[indices]
    cases = pd.DataFrame(
        {
            "patient_id": [row_table.patients[i] for i in indices],
            "age": [_age(row_table.ages[i], journal.ages[i]) for i in indices],
            "sex": [_sex(row_table.sexes[i], int(journal.sexes[i])) for i in indices],
            "split": [None if (part := row_table.parts[i]) is None else part.value for i in indices],
            **{name: labels[:, column] for column, name in enumerate(row_table.columns)},
            "digest": [journal.digests[i].tobytes().hex() for i in indices],
            # Last, so that of identical images only those of identical rows are put into its order: case_ids are those of earlier versions.
            STUDY_ORDER: np.frombuffer(row_table.orders)[indices],
        }
    )
    # Identical images of one patient are numbered by the content of their rows, not by the order of files: the fingerprint must not
    # depend on it.
    content = pd.Series(["|".join(map(str, row)) for row in cases.itertuples(index=False)])
    occurrence = cases.loc[content.sort_values(kind="stable").index].groupby(["patient_id", "digest"]).cumcount()
    cases["case_id"] = [
        case_id(patient, bytes.fromhex(digest), int(occurrence[row]), key=key)
        for row, (patient, digest) in enumerate(zip(cases["patient_id"], cases["digest"], strict=True))
    ]
    # As plain objects: in pandas' own type of strings, None would become NaN.
    cases["split"] = cases["split"].astype(object)
    cases[STUDY_ORDER] = _ranks(cases)
    of_order = [STUDY_ORDER] if cases[STUDY_ORDER].notna().any() else []
    ordered = cases.sort_values(["patient_id", "case_id"])
    return ordered[[*CASE_COLUMNS, *row_table.columns, *of_order]].reset_index(drop=True), indices[ordered.index.to_numpy()]


def store_pixels(journal: Journal, stored: Path, indices: NDArray[np.intp]) -> None:
    """Write the journal's images in the order of `indices` as the array `stored`, durably, one at a time."""
    form = journal.form
    with journal.pixels.open("rb") as slots, stored.open("wb") as file:
        header = {"descr": form.dtype, "fortran_order": False, "shape": (len(indices), *form.shape)}
        np.lib.format.write_array_header_1_0(file, header)
        for index in indices:
            file.write(os.pread(slots.fileno(), form.n_bytes, int(index) * form.n_bytes))
        file.flush()
        os.fsync(file.fileno())


def _ranks(cases: pd.DataFrame) -> "pd.Series[int]":
    """The rank of each image's study among its patient's, 1 for the first; images of one time are of one study. Of dates, ranks remain."""
    return cases.groupby("patient_id")[STUDY_ORDER].rank(method="dense").astype("Int32")


def _age(given: float, header: float) -> float:
    """The age that the source gives, else that of the image's header."""
    return header if np.isnan(given) else given


def _sex(given: Sex, header: int) -> str:
    """The sex that the source gives, else that of the image's header."""
    return (given if given is not Sex.UNKNOWN else SEXES[header]).value
