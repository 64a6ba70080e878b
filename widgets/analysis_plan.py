"""The analysis plan: what stands in the ledger, and the form that writes or changes it."""

from collections.abc import Callable

import streamlit as st

from dpmed_core.cohort.display_names import attribute_title, finding_title
from dpmed_core.cohort.schema import Cohort
from dpmed_core.evaluation.analysis_plan import AnalysisPlan, PlanRecord
from dpmed_core.evaluation.tables.all_tables import EvaluationTables
from dpmed_core.foreign_text import plain
from dpmed_core.people.roles import Action
from widgets.attributes import attribute_options
from widgets.lookup import installation
from widgets.people.sign_on import may
from widgets.tables import tables_of


def plans_of(cohort: Cohort) -> PlanRecord:
    """What was planned for the cohort; looking writes nothing."""
    return installation().ledger.plan_record(cohort)


def planned_tables(cohort: Cohort, tables: Callable[..., EvaluationTables] = tables_of) -> EvaluationTables:
    """The tables of the analysis plan, which verdicts are made from; `tables` makes them."""
    plans = plans_of(cohort)
    plan, together = plans.plan, None if plans.is_exploratory else plans.plan.epsilons
    return tables(cohort, plan.attributes, margin=plan.margin, findings=plan.findings, epsilons=together)


def offer_plan(cohort: Cohort, about: str) -> None:
    """The plan in an expander that says what it is about; the form is made once somebody opens it."""
    with st.expander(f"Analysis plan: {plain(about)}", key="plan-open", on_change="rerun") as panel:
        if panel.open:
            _choose_plan(cohort)


def _choose_plan(cohort: Cohort) -> None:
    """Show the plan, and the form that writes the first or changes it."""
    plans = plans_of(cohort)
    now = plans.plan
    # A plan may have been made with attributes that the page does not offer, by the command line.
    options = list(dict.fromkeys([*attribute_options(cohort), *now.attributes]))
    with st.form("analysis-plan", border=False):
        st.markdown(
            "What will be compared is written down before results exist, so that nobody can choose it to suit them: groups, findings and "
            "margin here, recipe, budgets and training runs when the first models are asked for. It is kept in the ledger, where a change "
            "or removal shows. "
            + (
                "A change is added to it, with its time and reason; made after results could be seen, it makes the verdicts exploratory."
                if plans.written
                else "If you choose nothing, the choice below is written when the first models are asked for."
            )
        )
        if plans.written:
            st.caption(plain(plans.sentence()))
        attributes = st.multiselect("Groups by", options, list(now.attributes), format_func=attribute_title)
        findings = st.multiselect("Findings", cohort.findings, list(now.findings), format_func=finding_title)
        margin = st.number_input("Margin: loss of AUROC that is still acceptable", 0.001, 0.499, now.margin, 0.005, format="%.3f")
        reason = st.text_input("Why it is changed") if plans.written else ""
        if st.form_submit_button("Change the plan" if plans.written else "Write the plan", disabled=not may(Action.PLAN)):
            if not attributes or not findings:
                st.error("Choose at least one grouping and one finding.")
            elif plans.written and not reason.strip():
                st.error("Say why the plan is changed: the reason is kept with it.")
            else:
                changed = AnalysisPlan.of(attributes, findings, margin, reference=now.reference, operating_point=now.operating_point)
                installation().ledger.write_plan(cohort, changed, reason=reason.strip())
                st.rerun()
