"""Ratings as a file for iMRMC, the FDA's program for multi-reader studies.

The file is free text with the numbers of readers, of cases without and with the finding and of arms (NR, N0, N1, NM), then "BEGIN DATA:",
then a row for the truth of each case, `-1,CASE,truth,0|1`, and one for each rating, `READER,CASE,ARM,RATING`; larger ratings mean more
suspicion. Fields are separated by commas alone, and iMRMC removes all spaces from them.

Names of cases are numbers or keyed hashes: those of the study may be patients'. Names of readers and arms are foreign text; what is not a
letter, a digit, a dot or a dash in ASCII is left out of them, and a letter stands first, so that neither iMRMC nor a spreadsheet reads
more into one than a name.

Source: iMRMC user manual, section 4.1.1, "Study Raw Data"; the R package iMRMC, `undoIMRMCdf` (truth rows).
"""

import re
from collections.abc import Sequence

import pandas as pd

from dpmed_core.keyed_hash import keyed_hex
from dpmed_core.reader_study.multi_reader.ratings import Ratings

TRUTH_READER, TRUTH_ARM = "-1", "truth"
MOST_CHARACTERS = 40
NO_PART_OF_A_NAME = re.compile(r"[^A-Za-z0-9.-]+")
CASE_NAME_COLUMNS = ("exported", "case")


def imrmc_text(ratings: Ratings, *, key: bytes | None = None) -> str:
    """The file's content, in ASCII.

    Args:
        ratings: of the study.
        key: the installation's secret, for names of cases that are the same in every export and mean nothing outside; None for numbers.
    """
    cases = case_names(ratings.cases, key=key)["exported"]
    readers, arms = _names(ratings.readers, "reader"), _names(ratings.arms, "arm")
    n_positive = int(ratings.positive.sum())
    head = [
        "Multi-reader study, exported by DPMed",
        f"NR: {len(readers)}",
        f"N0: {len(cases) - n_positive}",
        f"N1: {n_positive}",
        f"NM: {len(arms)}",
        "",
        "BEGIN DATA:",
    ]
    truth = [f"{TRUTH_READER},{case},{TRUTH_ARM},{int(has)}" for case, has in zip(cases, ratings.positive, strict=True)]
    scores = [
        f"{reader},{case},{arm},{ratings.values[i, j, k]:.17g}"
        for j, reader in enumerate(readers)
        for k, case in enumerate(cases)
        for i, arm in enumerate(arms)
    ]
    return "\n".join([*head, *truth, *scores]) + "\n"


def case_names(cases: Sequence[str], *, key: bytes | None = None) -> pd.DataFrame:
    """Which case has which name in the file, with `CASE_NAME_COLUMNS`: for those who hold the study, not for the file."""
    exported = (
        [str(number) for number in range(1, len(cases) + 1)] if key is None else [keyed_hex(key, "imrmc-case", case) for case in cases]
    )
    return pd.DataFrame({"exported": exported, "case": list(cases)}, columns=list(CASE_NAME_COLUMNS))


def _names(names: Sequence[str], kind: str) -> list[str]:
    """Each name in characters that no program takes for anything else, all different; never that of a truth row.

    >>> _names(["Dr. Ba,r", "=cmd|' /C calc'!A0", "-1", "truth", "Dr. Ba r", "Zoë"], "reader")
    ['Dr.Bar', 'reader-cmdCcalcA0', 'reader--1', 'reader-truth', 'Dr.Bar-5', 'Zo']
    """
    found: list[str] = []
    for number, name in enumerate(names, start=1):
        plain = NO_PART_OF_A_NAME.sub("", name)[:MOST_CHARACTERS]
        if not plain[:1].isalpha() or plain.lower() == TRUTH_ARM or name[:1] != plain[0]:
            plain = f"{kind}-{plain}" if plain else f"{kind}-{number}"
        # The study's own names differ, which what is left of them need not.
        while plain in found:
            plain = f"{plain}-{number}"
        found.append(plain)
    return found
