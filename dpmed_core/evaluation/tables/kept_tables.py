"""Whole tables of several runs, kept with them (`runs.kept_together`), so that the first look at a page computes nothing."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from dpmed_core.evaluation.scores.kept_arrays import Arrays, digest_of
from dpmed_core.evaluation.scores.panel_design import PanelDesign


def table_once(
    designs: Sequence[PanelDesign], name: str, compute: Callable[[], pd.DataFrame], *, with_threshold: bool = False
) -> pd.DataFrame:
    """What `compute` gives from `designs`: as it is kept under `name`, or computed and then kept.

    Args:
        designs: all that the table is made from.
        name: another one for whatever else it is computed from.
        compute: gives the table, with a plain index.
        with_threshold: whether the table depends on operating points.
    """
    if not designs or (kept := designs[0].panel.kept) is None:
        return compute()
    facts = [fact for design in designs for fact in _facts(design, with_threshold=with_threshold)]
    key = digest_of("table", name, *facts)
    if (found := kept.get_together(key)) is not None:
        return unpacked(*found)
    table = compute()
    kept.put_together(key, *packed(table), run_ids=[run_id for design in designs for run_id in design.panel.run_ids])
    return table


def _facts(design: PanelDesign, *, with_threshold: bool) -> list[str]:
    """All that a table of a panel is made from."""
    panel = design.panel
    about = repr([panel.findings, design.by, design.grouping.groups, list(panel.runs.itertuples(index=False, name=None))])
    return [about, design.digest, *panel.score_digests, *(design.threshold_digests if with_threshold else ())]


def packed(table: pd.DataFrame) -> tuple[Arrays, Any]:
    """A table as arrays, its columns of numbers, and as what JSON can hold, all others and their names and types."""
    numbers = [name for name, kind in table.dtypes.items() if isinstance(kind, np.dtype) and kind.kind in "biuf"]
    others = {name: table[name].tolist() for name in table.columns if name not in numbers}
    kinds = [[name, str(kind)] for name, kind in table.dtypes.items()]
    return {str(name): table[name].to_numpy() for name in numbers}, {"columns": kinds, "others": others, "n_rows": len(table)}


def unpacked(arrays: Arrays, about: Any) -> pd.DataFrame:
    """The table that `packed` was given.

    >>> table = pd.DataFrame({"a": [1.0, np.nan], "b": pd.Series([True, None], dtype=object), "c": ["x", ""]})
    >>> unpacked(*packed(table)).equals(table), unpacked(*packed(table))["b"].tolist()
    (True, [True, None])
    """
    columns = {
        name: arrays[name].copy() if name in arrays else pd.Series(about["others"][name], dtype=kind) for name, kind in about["columns"]
    }
    return pd.DataFrame(columns, index=range(about["n_rows"]))
