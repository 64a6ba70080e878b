"""Cases sorted into subgroups of several attributes, and patients into cells: one cell for each patient in each subgroup."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpmed_core.cohort.groups import UNKNOWN, subgroups

EVERYBODY = "all"
"""The attribute, and its one subgroup, of every case."""

Integers = NDArray[np.intp]


class Beside(StrEnum):
    """Which cases stand beside a subgroup, as one group."""

    OTHERS = "others"
    """Everybody of known value who is not in it."""
    WITH_UNKNOWN = "with unknown"
    """The subgroup itself and everybody of unknown value."""

    def attribute(self, of: str) -> str:
        """The attribute under which a grouping has these groups, by the subgroup's name."""
        return f"{self.value} by {of}"


@dataclass(frozen=True, eq=False)
class Block:
    """The subgroups of one attribute; each case stands in one of them or in none.

    Attributes:
        attribute: its name.
        first: index of its first subgroup among all.
        n_groups: how many it has.
        codes: subgroup of each case, counted from 0 within the attribute; `n_groups` for none.
        cells: cell of each case among all; 0 where it stands in no subgroup.
    """

    attribute: str
    first: int
    n_groups: int
    codes: NDArray[np.unsignedinteger] = field(repr=False)
    cells: Integers = field(repr=False)


@dataclass(frozen=True, eq=False)
class Grouping:
    """All subgroups of all attributes under one index; cells stand in the order of their subgroups.

    Attributes:
        groups: (attribute, subgroup) by index.
        blocks: one for each attribute.
        cell_patient: patient of each cell.
        cell_start: where each subgroup's cells begin, and the end `[n_groups + 1]`.
        n_patients: patients in all.
    """

    groups: tuple[tuple[str, str], ...]
    blocks: tuple[Block, ...]
    cell_patient: Integers = field(repr=False)
    cell_start: Integers = field(repr=False)
    n_patients: int

    @property
    def cell_group(self) -> Integers:
        """Subgroup of each cell."""
        return np.repeat(np.arange(len(self.groups)), np.diff(self.cell_start))

    @cached_property
    def cell_of_everybody(self) -> Integers:
        """For each cell, the cell of the same patient in the first subgroup, everybody."""
        return np.searchsorted(self.cell_patient[: self.cell_start[1]], self.cell_patient)

    def to_cells(self, values: NDArray[Any]) -> NDArray[Any]:
        """The value of each cell's subgroup: `[n_groups]` to `[n_cells]`."""
        return np.repeat(values, np.diff(self.cell_start))

    def sum_cells(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sums over each subgroup's cells, along the last axis: `[..., n_cells]` to `[..., n_groups]`."""
        # `reduceat` refuses an empty axis. For an empty slice it would give the next cell's value, but no subgroup is without a cell.
        if values.shape[-1] == 0:
            return np.zeros((*values.shape[:-1], len(self.groups)))
        return np.add.reduceat(values, self.cell_start[:-1], axis=-1)

    def by_patient(self, values: NDArray[np.float64], group: int) -> NDArray[np.float64]:
        """The cells of `group` laid out by patient: `[..., n_cells]` to `[..., n_patients]`, 0 for patients outside it."""
        cells = slice(self.cell_start[group], self.cell_start[group + 1])
        laid_out = np.zeros((*values.shape[:-1], self.n_patients))
        laid_out[..., self.cell_patient[cells]] = values[..., cells]
        return laid_out


def group_cases(cases: pd.DataFrame, by: Sequence[str], patients: Integers, *, n_patients: int, beside: Beside | None = None) -> Grouping:
    """The subgroups of everybody and of each attribute in `by`; subgroups without a case are left out.

    Args:
        cases: one row a case, with the columns that `by` needs.
        by: attributes, as `cohort.groups.subgroups` takes them.
        patients: patient of each case, below `n_patients`.
        n_patients: patients in all.
        beside: which group of cases stands beside each subgroup of known value, under the attribute `beside.attribute`; None for none.

    Raises:
        CohortError: there is no such attribute.
    """
    groups: list[tuple[str, str]] = []
    blocks: list[Block] = []
    cell_patient: list[Integers] = []
    starts = [0]
    for attribute, names, codes in _memberships(cases, by, beside):
        inside, cells = codes < len(names), np.zeros(len(codes), dtype=np.intp)
        # Subgroup and patient in one integer: sorted, the cells of a subgroup stand together, in the order of their patients.
        pairs, numbers = np.unique(codes[inside].astype(np.intp) * n_patients + patients[inside], return_inverse=True)
        cells[inside] = numbers + starts[-1]
        blocks.append(Block(attribute, len(groups), len(names), codes, cells))
        groups.extend((attribute, name) for name in names)
        cell_patient.append(pairs % n_patients)
        starts.extend(starts[-1] + np.cumsum(np.bincount(pairs // n_patients, minlength=len(names))))
    return Grouping(tuple(groups), tuple(blocks), np.concatenate(cell_patient), np.array(starts, dtype=np.intp), n_patients)


def _memberships(
    cases: pd.DataFrame, by: Sequence[str], beside: Beside | None
) -> Iterator[tuple[str, list[str], NDArray[np.unsignedinteger]]]:
    """Attribute, names of subgroups and code of each case, block by block; a case in no subgroup has a code past the last."""
    for attribute in (EVERYBODY, *dict.fromkeys(by)):
        names, codes = _codes(cases, attribute)
        yield attribute, names, codes
        known = [(code, name) for code, name in enumerate(names) if name != UNKNOWN]
        is_known = np.isin(codes, [code for code, _ in known])
        # A case is beside many subgroups, so that each needs a block of its own.
        for code, name in known if attribute != EVERYBODY else ():
            inside = is_known & (codes != code) if beside is Beside.OTHERS else ~is_known | (codes == code)
            if beside is not None and inside.any():  # no others where there is one subgroup
                yield beside.attribute(attribute), [name], np.where(inside, 0, 1).astype(np.uint8)


def _codes(cases: pd.DataFrame, attribute: str) -> tuple[list[str], NDArray[np.unsignedinteger]]:
    if attribute == EVERYBODY:
        return [EVERYBODY], np.zeros(len(cases), dtype=np.uint8)
    membership = subgroups(cases, attribute).cat.remove_unused_categories()
    smallest = smallest_code(len(membership.cat.categories))
    return [str(name) for name in membership.cat.categories], membership.cat.codes.to_numpy().astype(smallest)


def smallest_code(n_groups: int) -> type[np.unsignedinteger]:
    """The smallest unsigned integer that holds the codes of so many subgroups, and one more for cases that are left out.

    NumPy sorts integers of 8 and 16 bits stably in linear time (radix sort).
    """
    return next(kind for kind in (np.uint8, np.uint16, np.uint32) if n_groups <= np.iinfo(kind).max)
