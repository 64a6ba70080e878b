"""How a public start does on a cohort before anything is spent: its AUROC on the validation patients, also within subgroups.

Validation patients stand outside the guarantee, and test patients are left for the trained models, until the start alone was evaluated on
them as well. A start that was right for the wrong
reason shows here: its AUROC falls within groups in which that reason is the same, such as radiographs of one view.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpmed_core.cohort.display_names import subgroup_title
from dpmed_core.cohort.schema import Cohort, Part, Split
from dpmed_core.evaluation.metrics.auroc import AUROC
from dpmed_core.evaluation.metrics.measured import Measured, measure
from dpmed_core.evaluation.scores.findings import MACRO
from dpmed_core.evaluation.scores.grouping import EVERYBODY
from dpmed_core.evaluation.scores.panel import Panel
from dpmed_core.evaluation.scores.panel_design import PanelDesign
from dpmed_core.evaluation.scores.scored_runs import RUN_COLUMNS
from dpmed_core.evaluation.statistics.intervals import symmetric
from dpmed_core.evaluation.statistics.jackknife import jackknife_of_patients
from dpmed_core.evaluation.tables.utility import by_place, run_rows

LOW_AUROC = 0.6
"""Below it a start is warned of."""
FALL = ("fall", "fall_low", "fall_high")
COLUMNS = ("finding", "attribute", "subgroup", "auroc", "auroc_low", "auroc_high", *FALL, "n_cases", "n_positive", "n_patients", "reason")
"""`fall` is the AUROC over all of these patients minus that of the subgroup, with its 95 % interval; missing over all patients."""


def rows_to_check(split: Split, parts: Sequence[Part] = (Part.VALIDATION,)) -> NDArray[np.intp]:
    """The cases that a start may be looked at by: those of `parts`, never of patients who are trained on, whom the guarantee covers."""
    return np.sort(np.concatenate([split.rows(part) for part in parts if part is not Part.TRAIN]))


def start_check(
    scores: NDArray[np.float64], begins: NDArray[np.bool_], cohort: Cohort, rows: NDArray[np.intp], by: Sequence[str] = ()
) -> pd.DataFrame:
    """The AUROC of a start alone on held-out patients, with `COLUMNS`: of each finding that begins there, overall and by subgroup.

    Args:
        scores: what it gives the cases of `rows`, on any increasing scale, `[n_rows, n_findings]`.
        begins: which findings begin there, `[n_findings]`.
        cohort: the cohort.
        rows: of its cases, from `rows_to_check`.
        by: attributes of the subgroups.

    Raises:
        CohortError: there is no such attribute.
    """
    begun = np.flatnonzero(begins)
    if not len(rows) or not len(begun):
        return pd.DataFrame(columns=list(COLUMNS))
    cases = cohort.cases.iloc[rows][["case_id", "patient_id", "age", "sex", *cohort.comorbidities]].reset_index(drop=True)
    patients, ids = pd.factorize(cases["patient_id"])
    facts = dict.fromkeys(RUN_COLUMNS, "") | {"epsilon": 0.0, "epsilon_spent": 0.0, "delta": 0.0, "seed": 0}
    panel = Panel(
        runs=pd.DataFrame([facts]),
        findings=tuple(cohort.findings[k] for k in begun),
        cases=cases,
        patients=patients.astype(np.intp),
        n_patients=len(ids),
        labels=cohort.labels[rows][:, begun].T.astype(np.float64),
        scores=scores[:, begun].T[None],
    )
    measured = measure(AUROC, PanelDesign(panel, tuple(by)))
    table = run_rows(AUROC, [measured], [EVERYBODY, *by]).merge(_falls(measured), on=["finding", "attribute", "subgroup"], how="left")
    return table[table["finding"] != MACRO][list(COLUMNS)].reset_index(drop=True)


def _falls(measured: Measured) -> pd.DataFrame:
    """The fall of each subgroup's value below that of everybody, with `FALL`, by finding, attribute and subgroup.

    Everybody's value holds the subgroup's images too: influence values of one patient are subtracted before they are squared, so that the
    interval is that of the difference.
    """
    grouping, values, n_effective = measured.grouping, measured.values[0], measured.n_effective[0]
    subgroups = range(1, len(grouping.groups))
    if not subgroups:
        return pd.DataFrame(columns=["finding", "attribute", "subgroup", *FALL])
    by_patient = np.stack([grouping.by_patient(measured.influence[0], group) for group in range(len(grouping.groups))], axis=1)
    falls = values[:, :1] - values
    low, high = symmetric(falls, *jackknife_of_patients(by_patient[:, :1] - by_patient, np.fmin(n_effective[:, :1], n_effective)))
    return by_place(measured, subgroups, dict(zip(FALL, (falls, low, high), strict=True)))


def patients_in_words(parts: Sequence[Part]) -> str:
    """Whose patients `start_check` looked at.

    >>> patients_in_words((Part.VALIDATION, Part.TEST))
    'validation and test patients'
    """
    return f"{' and '.join(parts)} patients"


def warnings_of(table: pd.DataFrame, parts: Sequence[Part] = (Part.VALIDATION,), *, of_network: bool = False) -> list[str]:
    """What a reader must know of `start_check` before spending anything, in sentences; `of_network`: whether the start is a network's."""
    # A head is moved away from its start where the patients contradict it; nothing measures a network against its start.
    then = (
        "A network does not give up its start: choose another one, or begin from scratch."
        if of_network
        else "The training can give it up, which costs accuracy where epsilon is small."
    )
    whose = patients_in_words(parts)
    overall = table[table["attribute"] == EVERYBODY]
    said = []
    for row in overall[overall["auroc"] < LOW_AUROC].to_dict("records"):
        said.append(
            f"{row['finding']}: the start alone has an AUROC of {row['auroc']:.3f} on the {whose}, below {LOW_AUROC:g}. "
            f"It may not fit this cohort. {then}"
        )
    for row in overall[overall["auroc"].isna()].to_dict("records"):
        said.append(f"{row['finding']}: how the start does here is not known ({row['reason']} among the {whose}).")
    return said + [sentence for row in table[table["attribute"] != EVERYBODY].to_dict("records") if (sentence := _warning_of(row))]


def _warning_of(row: Mapping[Hashable, Any]) -> str:
    """What is to be known of a subgroup, in a sentence; empty where its fall is not beyond chance and does not lead below `LOW_AUROC`."""
    is_low, falls = row["auroc"] < LOW_AUROC <= row["auroc"] + row["fall"], row["fall_low"] > 0
    if not (is_low or falls):
        return ""
    low = f", below {LOW_AUROC:g}" if is_low else ""
    why = "part of what it knows may be that attribute" if falls else "the fall may be chance"
    return (
        f"{row['finding']}, {subgroup_title(row['attribute'], row['subgroup'])}: the start's AUROC is {row['auroc']:.3f} "
        f"({row['auroc_low']:.3f} to {row['auroc_high']:.3f}){low}, {row['fall']:.3f} ({row['fall_low']:.3f} to {row['fall_high']:.3f}) "
        f"less than over all patients; {why}."
    )
