"""Ratings for tests of the multi-reader analysis."""

from pathlib import Path

import numpy as np
import pandas as pd

from dpmed_core.reader_study.multi_reader.ratings import Ratings

VAN_DYKE = Path(__file__).parent / "data" / "van_dyke.csv"


def van_dyke_rows() -> pd.DataFrame:
    """The published study as rows of ratings; its file is described in `data/README.md`."""
    wide = pd.read_csv(VAN_DYKE)
    rows = wide.melt(id_vars=["case", "truth"], value_name="rating")
    return rows.assign(arm=rows["variable"].str[:-1], reader=rows["variable"].str[-1])[["reader", "case", "arm", "truth", "rating"]]


def drawn_ratings(n_arms: int = 2, n_readers: int = 3, n_cases: int = 40, seed: int = 0) -> Ratings:
    """Ratings from 1 to 6 with many ties; half of the cases have the finding."""
    rng = np.random.default_rng(seed)
    positive = np.arange(n_cases) % 2 == 0
    suspicion = rng.normal(size=n_cases) + positive + rng.normal(size=(n_arms, n_readers, n_cases))
    values = np.clip(np.round(suspicion * 1.5 + 3), 1, 6)
    names = [tuple(f"{kind} {number}" for number in range(n)) for kind, n in (("arm", n_arms), ("reader", n_readers), ("case", n_cases))]
    return Ratings(*names, values, positive)
