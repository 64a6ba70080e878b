"""The analysis plan of the fairness verdict: chosen, and locked before its results are shown."""

import streamlit as st

from dpmed_core.cohort.display_names import attribute_title, finding_title
from dpmed_core.cohort.groups import ATTRIBUTES
from dpmed_core.cohort.schema import Cohort
from dpmed_core.evaluation.analysis_plan import AnalysisPlan, AnalysisPlans, Lock
from dpmed_core.evaluation.tables.cost_of_privacy import DEFAULT_MARGIN
from widgets.attributes import attribute_options
from widgets.lookup import installation

KEPT = "analysis-plan-of-"
"""Begins the session's key of the plan that this reader chose, by cohort version."""


def analysis_plans() -> AnalysisPlans:
    """This installation's record of analysis plans."""
    return AnalysisPlans(installation().settings.analysis_plans_dir, installation().key)


def look_at_plan(cohort: Cohort) -> Lock:
    """The plan in use, recorded before its results are shown: this reader's choice, else the locked one, else the default, locked now."""
    chosen = st.session_state.get(f"{KEPT}{cohort.fingerprint}")
    return analysis_plans().look(cohort, chosen or analysis_plans().first(cohort) or default_plan(cohort))


def default_plan(cohort: Cohort) -> AnalysisPlan:
    """Sex, age and every co-morbidity, over all findings."""
    return AnalysisPlan.of([*ATTRIBUTES, *cohort.comorbidities], cohort.findings, DEFAULT_MARGIN)


def choose_plan(cohort: Cohort) -> None:
    """Show the form that chooses an analysis plan.

    The first choice is locked; a later one is recorded and its verdicts are marked as not planned.
    """
    locked = analysis_plans().first(cohort)
    first = locked or default_plan(cohort)
    # The locked plan may have been made with attributes that the page does not offer, by the command line.
    options = list(dict.fromkeys([*attribute_options(cohort), *first.attributes]))
    with st.form("analysis-plan", border=False):
        st.markdown(
            "The groups, findings and margin of the verdict are locked with date and time before results are shown, so that nobody can "
            "choose them to suit the results. "
            + (
                "You can look at another choice; the page then says that it was not planned."
                if locked
                else "If you choose nothing, the choice below is locked."
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
