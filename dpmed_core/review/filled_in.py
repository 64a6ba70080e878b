"""What the program answers of the checklist: by the point's name, from what was frozen alone."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dpmed_core.evaluation.tables.fairness_verdict import NOT_WIDENED, WIDENED
from dpmed_core.phrases import counted, epsilon_text
from dpmed_core.review.frozen import CANDIDATE, REFERENCE, run_ids
from dpmed_core.review.frozen_tables import from_fields
from dpmed_core.review.records import Met

Frozen = Mapping[str, Any]
Answer = tuple[Met, str]
"""Whether a point is met, and the words."""


def filled_in(frozen: Frozen, tables: Frozen) -> dict[str, Answer]:
    """The answers that the program can give, by the point's name."""
    return {name: answer for name, fill in _FILLS.items() if (answer := fill(frozen, tables)) is not None}


def _data_source(frozen: Frozen, tables: Frozen) -> Answer | None:
    del tables
    cohort = frozen["cohort"]
    if cohort["synthetic"]:
        return Met.MET, f"Cohort {cohort['name']} was drawn by DPMed: its patients are synthetic."
    return (Met.MET, f"Cohort {cohort['name']} was imported from the layout {cohort['source']}.") if cohort["source"] else None


def _missing(frozen: Frozen, tables: Frozen) -> Answer:
    del frozen, tables
    return (
        Met.MET,
        "Unknown labels are masked in training and left out of the tables, which count them; the table “unknowns” says what values would "
        "be in the extremes.",
    )


def _partition(frozen: Frozen, tables: Frozen) -> Answer:
    del tables
    cohort = frozen["cohort"]
    how = "The source's own split was taken." if cohort["split_of_source"] else "Each patient fell into a part by a keyed hash."
    parts = [f"{part['part']}: {part['n_cases']:,} images of {_units(cohort, part['n_patients'])}" for part in cohort["held_out"]]
    return Met.MET, f"{how} Held out are {'; '.join(parts)}."


def _units(cohort: Frozen, n: int) -> str:
    if cohort["patients_known"]:
        return counted(n, "patient", "patients")
    return "patients whose images are not known to belong together"


def _model(frozen: Frozen, tables: Frozen) -> Answer:
    del tables
    candidate = frozen["candidate"]
    start = f", beginning at the public start {candidate['start']}" if candidate["start"] else ""
    trainings = counted(candidate["n_trainings"], "training", "trainings")
    references = counted(len(run_ids(frozen, REFERENCE)), "reference", "references")
    return Met.MET, f"Recipe {candidate['recipe']}{start}: {trainings} with privacy, beside {references} without it."


def _measures(frozen: Frozen, tables: Frozen) -> Answer:
    del tables
    plan = frozen["plan"]["fields"]
    return (
        Met.MET,
        f"AUROC, with a margin of {plan['margin']:g} for a loss that is still acceptable; rates and missed cases at the operating point "
        f"({plan['operating_point']}, chosen on validation patients), calibration and net benefit beside it.",
    )


def _output(frozen: Frozen, tables: Frozen) -> Answer:
    del tables
    rule = frozen["plan"]["fields"]["operating_point"]
    return (
        Met.MET,
        f"A score from 0 to 1 for each finding; a case counts as positive from a threshold chosen on validation patients ({rule}).",
    )


def _protocol(frozen: Frozen, tables: Frozen) -> Answer:
    del tables
    plan = frozen["plan"]
    return (Met.NOT_MET if plan["is_exploratory"] else Met.MET), plan["note"]


def _performance(frozen: Frozen, tables: Frozen) -> Answer:
    """How many numbers there are at the candidate's budget, and of how many groups there is none."""
    groups = _at_candidate(frozen, tables, "groups")
    of_groups = groups[groups["attribute"] != "all"]
    estimable = int(of_groups["auroc"].notna().sum())
    lacking, held = len(of_groups) - estimable, counted(estimable, "group and finding", "groups and findings")
    without = f"; of {counted(lacking, 'other it is', 'others it is')} not estimable, with the reason" if lacking else ""
    return Met.MET, f"The frozen tables hold AUROC with intervals for all patients, and for {held}{without}."


def _disjoint(frozen: Frozen, tables: Frozen) -> Answer:
    del tables
    if frozen["cohort"]["patients_known"]:
        return Met.MET, "Parts are disjoint by patient: all images of a patient are in one part."
    return Met.NOT_MET, "The source does not say which images are one patient's: a patient may be in two parts."


def _software(frozen: Frozen, tables: Frozen) -> Answer:
    del tables
    program, candidate = frozen["program"], frozen["candidate"]
    trained = f"Trained by version {candidate['recipe_version']} of recipe {candidate['recipe']}"
    return Met.MET, f"{trained}; tables by DPMed {program['version']}, whose code and libraries have the digest {program['code']}."


def _uncertainty(frozen: Frozen, tables: Frozen) -> Answer:
    del frozen, tables
    return (
        Met.MET,
        "Intervals at 95 %, clustered by patient; differences are paired; verdicts are adjusted for all tests of the analysis plan "
        "(docs/STATISTICS.md).",
    )


def _index_test(frozen: Frozen, tables: Frozen) -> Answer:
    del tables
    ids = run_ids(frozen, CANDIDATE)
    return Met.MET, f"The runs {', '.join(ids)}, with the digests of their results, scores and weights."


def _bias(frozen: Frozen, tables: Frozen) -> Answer | None:
    """How many verdicts at the candidate's budget say what."""
    verdicts = _at_candidate(frozen, tables, "verdicts")
    if verdicts.empty:
        return None
    counts = verdicts["verdict"].astype(str).value_counts()
    said = "; ".join(f"{name}: {count}" for name, count in sorted(counts.items()))
    plan = frozen["plan"]["fields"]
    judged = f"Judged by {', '.join(plan['attributes'])} with a margin of {plan['margin']:g}"
    met = Met.MET if {WIDENED, NOT_WIDENED} & set(counts.index) else Met.NOT_MET
    return met, f"{judged}. Verdicts: {said}. {frozen['plan']['note']}"


def _at_candidate(frozen: Frozen, tables: Frozen, name: str) -> Any:
    """The rows of a frozen table at the candidate's budget."""
    table = from_fields(tables[name])
    return table if table.empty else table[(table["epsilon"] - frozen["candidate"]["epsilon"]).abs() < 1e-12]


def _parameters(frozen: Frozen, tables: Frozen) -> Answer:
    del tables
    candidate = frozen["candidate"]
    check = f"({candidate['check_accountant']}) gives ε = {epsilon_text(candidate['check_epsilon'])} at the same δ for the same training"
    return Met.MET, f"{candidate['guarantee']}; a second accountant {check}."


def _unit(frozen: Frozen, tables: Frozen) -> Answer:
    del tables
    unit = frozen["candidate"]["unit"]
    if unit == "patient":
        return Met.MET, "The patient, with all images together."
    return Met.NOT_MET, "One image: a patient with several images is protected less."


def _neighbours(frozen: Frozen, tables: Frozen) -> Answer:
    del tables
    return (
        Met.MET,
        f"{frozen['candidate']['neighboring_relation']}: one {frozen['candidate']['unit']}'s record is empty in one of them; the number of "
        "training units is the same and public.",
    )


def _composition(frozen: Frozen, tables: Frozen) -> Answer:
    del tables
    return Met.MET, frozen["ledger"]["sentence"]


def _selection(frozen: Frozen, tables: Frozen) -> Answer | None:
    del tables
    return (Met.MET, frozen["candidate"]["release"]) if frozen["candidate"]["release"] else None


def _uncovered(frozen: Frozen, tables: Frozen) -> Answer:
    del tables
    counts: Sequence[Mapping[str, Any]] = frozen["cohort"]["held_out"]
    held_out = sum(part["n_patients"] for part in counts)
    return (
        Met.MET,
        f"The {counted(held_out, 'held-out patient', 'held-out patients')}, on whom thresholds and accuracy were measured; and whoever is "
        "in a model without privacy, which has no guarantee.",
    )


_FILLS: dict[str, Callable[[Frozen, Frozen], Answer | None]] = {
    "data-source": _data_source,
    "missing": _missing,
    "partition": _partition,
    "model": _model,
    "measures": _measures,
    "fairness": _bias,
    "output": _output,
    "protocol": _protocol,
    "performance": _performance,
    "disjoint": _disjoint,
    "software": _software,
    "uncertainty": _uncertainty,
    "index-test": _index_test,
    "bias": _bias,
    "parameters": _parameters,
    "unit": _unit,
    "neighbours": _neighbours,
    "composition": _composition,
    "selection": _selection,
    "utility-bias": _bias,
    "uncovered": _uncovered,
}
"""Only what follows from what was frozen: that somebody has looked at it, no program can say."""
