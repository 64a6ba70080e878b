"""What a cohort can tell, on the page where training is asked for: before any budget is spent."""

import pandas as pd
import streamlit as st

from dpmed_core.cohort.display_names import attribute_title, finding_title, sentence_start, subgroup_title
from dpmed_core.cohort.schema import Cohort
from dpmed_core.evaluation.planning.cohort_plan import PlanRequest, plan_rows
from dpmed_core.evaluation.planning.held_out import not_judgeable
from dpmed_core.evaluation.planning.plan_sentences import accountant_of, plan_sentence, splits_sentence
from dpmed_core.evaluation.scores.grouping import EVERYBODY
from dpmed_core.foreign_text import plain, plain_with_commands
from dpmed_core.phrases import counted, delta_text
from dpmed_core.runs.plan import n_train_units
from dpmed_core.training.spec import RunSpec
from widgets.attributes import attribute_options
from widgets.cached import MOST_KEPT, split_of
from widgets.html_table import show_table
from widgets.lookup import installation

SMALLEST, NOTHING = "Smallest loss it can show", "–"
EXPLAINED = (
    "*Smallest loss it can show*: a fall of AUROC through privacy that the comparison with models without privacy would find with a "
    "probability of 80 %; – where not even a fall to chance would be found. *Loss to expect*: from trainings on public images; of ten "
    "losses that such test patients and trainings show, nine should lie in the range."
)


def show_not_judgeable(cohort: Cohort) -> None:
    """Say which findings nobody will be able to judge, whatever is trained."""
    if sentence := _not_judgeable(cohort.fingerprint, cohort):
        st.warning(plain(sentence), icon=":material/visibility_off:")


@st.cache_data(max_entries=MOST_KEPT, show_spinner=False)
def _not_judgeable(fingerprint: str, _cohort: Cohort) -> str:
    del fingerprint  # key of the cache
    return not_judgeable(_cohort, split_of(_cohort))


def show_cohort_plan(cohort: Cohort, specs: list[RunSpec]) -> None:
    """What the test patients can judge, which losses they can show, and which are to be expected, for the runs of the form.

    Args:
        cohort: whose patients.
        specs: the runs; may be empty, where the form cannot be read.
    """
    with st.container(border=True):
        st.header("What can this cohort tell?")
        if not (private := private_of(specs)):
            st.info("Name privacy budgets above: this is answered for the runs that you are about to ask for.")
            return
        chosen = st.multiselect(
            "Compare groups by", attribute_options(cohort), format_func=attribute_title, key="plan-by", placeholder="No groups yet"
        )
        rows = planned_rows(cohort, private, tuple(chosen))
        st.markdown(plain(plan_sentence(rows, cohort.findings)))
        if sentence := splits_sentence(rows):
            with st.popover("One random split is too little", icon=":material/shuffle:"):
                st.markdown(plain_with_commands(sentence))
        everybody, groups = rows[rows["attribute"] == EVERYBODY], rows[rows["attribute"] != EVERYBODY]
        show_table(_everybody_in_words(everybody), label="What this cohort can tell, by finding and budget")
        if len(groups):
            st.markdown("**Groups:** the smallest loss beyond that of all other patients that would be found.")
            show_table(_groups_in_words(groups), label="What this cohort can tell of groups")
        first = everybody.iloc[0]
        shared = counted(int(rows["comparisons"].max()), "planned comparison", "planned comparisons")
        guarantee = plain(f"δ = {delta_text(first['delta'])} for each {first['unit']} ({accountant_of(str(first['recipe']))})")
        st.caption(f"ε at {guarantee}. Read from validation and test patients alone; nothing is spent.")
        with st.popover("How to read these tables", icon=":material/info:"):
            st.caption(f"{EXPLAINED} The level of 5 % is shared out over {shared}.")


def private_of(specs: list[RunSpec]) -> list[RunSpec]:
    """The runs among `specs` that learn privately."""
    return [spec for spec in specs if spec.privacy and not spec.privacy.learns_nothing]


def planned_rows(cohort: Cohort, private: list[RunSpec], by: tuple[str, ...] = ()) -> pd.DataFrame:
    """What test patients and trainings can tell (`plan_rows`), for private runs that are asked for together."""
    targets = tuple(dict.fromkeys(spec.privacy for spec in private if spec.privacy))
    first, n_trainings = private[0], len({spec.seed for spec in private})
    request = PlanRequest(
        first.variant, first.unit, targets, n_trainings, by, at_start=frozenset(dict(first.start.findings) if first.start else ())
    )
    return _planned(cohort.fingerprint, request, _cohort=cohort)


@st.cache_data(max_entries=MOST_KEPT, show_spinner="Looking at the test patients…")
def _planned(fingerprint: str, request: PlanRequest, _cohort: Cohort) -> pd.DataFrame:
    del fingerprint  # key of the cache
    n_units = n_train_units(_cohort, key=installation().key, unit=request.unit)
    return plan_rows(_cohort, split_of(_cohort), request, n_units=n_units)


def _everybody_in_words(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of `plan_rows` of everybody, for a page; a finding that cannot be judged has one row."""
    shown = rows[rows["judgeable"] | ~rows.duplicated("finding")]
    return pd.DataFrame(
        {
            "Finding": shown["finding"].map(finding_title),
            "ε": _budgets(shown),
            "Loss to expect (90 % range)": [
                _range(*numbers) for numbers in shown[["expected_loss", "expected_low", "expected_high"]].itertuples(index=False)
            ],
            SMALLEST: _digits(shown["detectable_loss"]),
            "as the only comparison": _digits(shown["detectable_loss_alone"]),
            "Positive images": shown["n_positive"].astype(int),
            f"To show {shown['margin'].iloc[0]:g}: trainings": _counts(shown["trainings_needed"]),
            "or patients": _counts(shown["patients_needed"]),
            "Remarks": _remarks(shown, "reason", "expected_reason", "needed_reason", "remark"),
        }
    )


def _groups_in_words(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of `plan_rows` of subgroups, for a page; a group that cannot be judged has one row a finding."""
    shown = rows[rows["judgeable"] | ~rows.duplicated(["finding", "attribute", "subgroup"])]
    return pd.DataFrame(
        {
            "Group": [subgroup_title(*place) for place in zip(shown["attribute"], shown["subgroup"], strict=True)],
            "Finding": shown["finding"].map(finding_title),
            "ε": _budgets(shown),
            "Patients": shown["n_patients"].astype(int),
            "Positive images": shown["n_positive"].astype(int),
            "Smallest extra loss it can show": _digits(shown["detectable_extra_loss"]),
            SMALLEST: _digits(shown["detectable_loss"]),
            "Remarks": _remarks(shown, "extra_reason", "reason"),
        }
    )


def _budgets(rows: pd.DataFrame) -> list[str]:
    """The budget of each row; nothing where none could be judged."""
    return [f"{epsilon:g}" if judged else "any" for epsilon, judged in zip(rows["epsilon"], rows["judgeable"], strict=True)]


def _remarks(rows: pd.DataFrame, *names: str) -> list[str]:
    """Why values of each row are missing, each reason once."""
    reasons = (dict.fromkeys(str(row[name]) for name in names if row[name]) for row in rows[list(names)].to_dict("records"))
    return [sentence_start("; ".join(each)) for each in reasons]


def _digits(values: pd.Series) -> list[str]:
    return [NOTHING if pd.isna(value) else f"{value:.3f}" for value in values]


def _counts(values: pd.Series) -> list[str]:
    return [NOTHING if pd.isna(value) else f"{int(value):,}" for value in values]


def _range(loss: float, low: float, high: float) -> str:
    said = f"{loss:z.3f} ({low:z.3f} to {high:z.3f})"  # z: never "-0.000"
    return NOTHING if pd.isna(loss) else said.replace("-", "−")
