"""What the verdict is about: chosen and locked before its results are shown."""

import streamlit as st

from dpmed_core.cohort.display_names import attribute_title, finding_title
from dpmed_core.cohort.groups import ATTRIBUTES
from dpmed_core.cohort.schema import Cohort
from dpmed_core.evaluation.analysis_plan import AnalysisPlan, AnalysisPlans, Lock
from dpmed_core.evaluation.tables.cost_of_privacy import DEFAULT_MARGIN
from widgets.attributes import attribute_options
from widgets.lookup import installation

KEPT = "analysis-plan-of-"


def analysis_plans() -> AnalysisPlans:
    """The record of every analysis plan that was looked at on this installation."""
    return AnalysisPlans(installation().settings.analysis_plans_dir, installation().key)


def look_at_plan(cohort: Cohort) -> Lock:
    """The plan that is looked at, recorded: the one this reader chose, else the first that was locked, else the default, locked now."""
    chosen = st.session_state.get(f"{KEPT}{cohort.fingerprint}")
    return analysis_plans().look(cohort, chosen or analysis_plans().first(cohort) or default_plan(cohort))


def default_plan(cohort: Cohort) -> AnalysisPlan:
    """Sex, age and every co-morbidity, over all findings."""
    return AnalysisPlan.of([*ATTRIBUTES, *cohort.comorbidities], cohort.findings, DEFAULT_MARGIN)


def choose_plan(cohort: Cohort) -> None:
    """The form that chooses an analysis plan: before there are results it locks it, afterwards it is one more look."""
    locked = analysis_plans().first(cohort)
    first = locked or default_plan(cohort)
    options = list(dict.fromkeys([*attribute_options(cohort), *first.attributes]))
    with st.form("analysis-plan", border=False):
        st.markdown(
            "The verdict is about groups, findings and a margin that are locked with date and time before results are shown, so that "
            "nobody can choose them to suit the results. "
            + (
                "Another choice can be looked at, and the page says that it was not planned."
                if locked
                else "Without a choice of yours it is the one below."
            )
        )
        attributes = st.multiselect("Groups by", options, list(first.attributes), format_func=attribute_title)
        findings = st.multiselect("Findings", cohort.findings, list(first.findings), format_func=finding_title)
        margin = st.number_input("Margin: extra loss of AUROC that is still acceptable", 0.001, 0.499, first.margin, 0.005, format="%.3f")
        if st.form_submit_button("Look under this choice" if locked else "Lock this choice"):
            if not attributes or not findings:
                st.error("Choose at least one grouping and one finding.")
                return
            plan = AnalysisPlan.of(attributes, findings, margin)
            analysis_plans().look(cohort, plan)
            st.session_state[f"{KEPT}{cohort.fingerprint}"] = plan
            st.rerun()
