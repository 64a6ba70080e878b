"""The fingerprint of a cohort: a keyed hash of its facts, its table and its pixels."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd

from dpmed_core.cohort.image_blocks import read_images
from dpmed_core.cohort.schema import CASE_COLUMNS, STUDY_ORDER
from dpmed_core.keyed_hash import keyed_hex

BLOCK_BYTES = 1 << 22
HASHING_THREADS = 2


def fingerprint_of(facts: dict[str, Any], cases: pd.DataFrame, images: Path, *, key: bytes) -> str:
    """The keyed hash of a cohort's facts, its table and its pixels, but not of the order of its studies.

    No training depends on that order: the same data imported with it has the same models, and what they spent.

    Args:
        facts: content of `cohort.json`.
        cases: the table of cases.
        images: the array's file.
        key: the installation's secret.
    """
    # Columns in a fixed order and numbers with fixed digits: the same data must give the same text.
    labels = set(cases.columns) - {*CASE_COLUMNS}
    if STUDY_ORDER not in (*facts["findings"], *facts["comorbidities"]):  # as an earlier version may have called a finding
        labels -= {STUDY_ORDER}
    columns = [*CASE_COLUMNS, *sorted(labels)]
    table = cases[columns].to_csv(index=False, float_format="%.6g", na_rep="")
    with ThreadPoolExecutor(HASHING_THREADS) as pool:  # hashing releases the interpreter's lock
        hashes = [
            one for block in read_images(images, BLOCK_BYTES) for one in pool.map(lambda i: keyed_hex(key, "image", i.tobytes()), block)
        ]
    return keyed_hex(key, "cohort", json.dumps(facts, sort_keys=True), table, keyed_hex(key, "pixels", *hashes))
