"""What a cohort can tell, on the page where training is asked for: before any budget is spent."""

import pandas as pd
import streamlit as st

from dpmed_core.cohort.display_names import attribute_title, finding_title, sentence_start, subgroup_title
from dpmed_core.cohort.schema import Cohort
from dpmed_core.evaluation.planning.cohort_plan import PlanRequest, accountant_of, plan_rows, plan_sentence
from dpmed_core.evaluation.planning.held_out import not_judgeable
from dpmed_core.evaluation.scores.grouping import EVERYBODY
from dpmed_core.phrases import counted, delta_text
from dpmed_core.runs.plan import n_train_units
from dpmed_core.training.spec import RunSpec
from widgets.attributes import attribute_options
from widgets.cached import MOST_KEPT, split_of
from widgets.lookup import installation

EXPLAINED = (
    "*Smallest loss it can show*: a fall of AUROC through privacy that the comparison with models without privacy would find with a "
    "probability of 80 %. *Loss to expect*: from trainings on public images, with the range that holds nine of ten cohorts."
)


def show_not_judgeable(cohort: Cohort) -> None:
    """Say which findings nobody will be able to judge, whatever is trained."""
    if sentence := not_judgeable(cohort, split_of(cohort)):
        st.warning(sentence, icon=":material/visibility_off:")


def show_cohort_plan(cohort: Cohort, specs: list[RunSpec]) -> None:
    """What the test patients can judge, which losses they can show, and which are to be expected, for the runs of the form.

    Args:
        cohort: whose patients.
        specs: the runs; may be empty, where the form cannot be read.
    """
    with st.container(border=True):
        st.subheader("What can this cohort tell?")
        private = [spec for spec in specs if spec.privacy]
        if not private:
            st.info("Name privacy budgets above: this is answered for the runs that you are about to ask for.")
            return
        chosen = st.multiselect(
            "Compare groups by", attribute_options(cohort), format_func=attribute_title, key="plan-by", placeholder="Nobody yet"
        )
        rows = _rows(cohort, private, tuple(chosen))
        st.markdown(plan_sentence(rows, cohort.findings))
        everybody, groups = rows[rows["attribute"] == EVERYBODY], rows[rows["attribute"] != EVERYBODY]
        st.dataframe(_everybody_in_words(everybody), hide_index=True, column_config=_numbers())
        if len(groups):
            st.markdown("**Groups:** the smallest loss beyond that of all other patients that would be found.")
            st.dataframe(_groups_in_words(groups), hide_index=True, column_config=_numbers())
        first, shared = everybody.iloc[0], counted(int(rows["comparisons"].max()), "planned comparison", "planned comparisons")
        guarantee = f"δ = {delta_text(first['delta'])} for each {first['unit']} ({accountant_of(str(first['recipe']))})"
        st.caption(
            f"{EXPLAINED} ε at {guarantee}. The level of 5 % is shared out over {shared}. Read from validation and test patients alone; "
            "nothing is spent."
        )


def _rows(cohort: Cohort, private: list[RunSpec], by: tuple[str, ...]) -> pd.DataFrame:
    targets = tuple(dict.fromkeys(spec.privacy for spec in private if spec.privacy))
    request = PlanRequest(private[0].recipe, private[0].unit, targets, len({spec.seed for spec in private}), by)
    return _planned(cohort.fingerprint, request, _cohort=cohort)


@st.cache_data(max_entries=MOST_KEPT, show_spinner="Looking at the test patients…")
def _planned(fingerprint: str, request: PlanRequest, _cohort: Cohort) -> pd.DataFrame:
    del fingerprint  # key of the cache
    n_units = n_train_units(_cohort, key=installation().key, unit=request.unit)
    return plan_rows(_cohort, split_of(_cohort), request, n_units=n_units)


def _everybody_in_words(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of `plan_rows` of everybody, for a page."""
    return pd.DataFrame(
        {
            "Finding": rows["finding"].map(finding_title),
            "ε": [f"{epsilon:g}" for epsilon in rows["epsilon"]],
            "Judged by": _judged_by(rows),
            "Smallest loss it can show": rows["detectable_loss"],
            "Loss to expect": rows["expected_loss"],
            "from": rows["expected_low"],
            "to": rows["expected_high"],
            f"Patients to show {rows['margin'].iloc[0]:g}": _whole(rows["patients_needed"]),
            "Trainings to show it": _whole(rows["trainings_needed"]),
            "Remarks": _remarks(rows, "reason", "expected_reason", "needed_reason", "remark"),
        }
    )


def _groups_in_words(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of `plan_rows` of subgroups, for a page."""
    return pd.DataFrame(
        {
            "Group": [subgroup_title(*place) for place in zip(rows["attribute"], rows["subgroup"], strict=True)],
            "Finding": rows["finding"].map(finding_title),
            "ε": [f"{epsilon:g}" for epsilon in rows["epsilon"]],
            "Judged by": _judged_by(rows),
            "Smallest extra loss it can show": rows["detectable_extra_loss"],
            "Smallest loss it can show": rows["detectable_loss"],
            "Remarks": _remarks(rows, "extra_reason", "reason", "needed_reason"),
        }
    )


def _judged_by(rows: pd.DataFrame) -> list[str]:
    """The images and patients that a finding is judged by, or that it cannot be judged."""
    return [
        f"{row['n_positive']:,} positive images, {row['n_patients']:,} patients" if row["judgeable"] else "cannot be judged"
        for row in rows.to_dict("records")
    ]


def _remarks(rows: pd.DataFrame, *names: str) -> list[str]:
    """Why values of each row are missing, each reason once."""
    reasons = (dict.fromkeys(str(row[name]) for name in names if row[name]) for row in rows[list(names)].to_dict("records"))
    return [sentence_start("; ".join(each)) for each in reasons]


def _whole(values: pd.Series) -> pd.Series:
    return values.astype("Int64")


def _numbers() -> dict[str, object]:
    names = ("Smallest loss it can show", "Smallest extra loss it can show", "Loss to expect", "from", "to")
    return {name: st.column_config.NumberColumn(format="%.3f") for name in names}
