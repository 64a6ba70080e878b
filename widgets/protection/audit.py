"""The audit of the mechanism behind the chosen budget: what is stored with its runs, and a button that has one made."""

import streamlit as st

from dpmed_core.foreign_text import plain
from dpmed_core.inference.requests import AuditOfRun
from dpmed_core.people.roles import Action
from dpmed_core.privacy.audit.sentences import NO_PROOF, audit_sentences
from dpmed_core.privacy.audit.stored_audit import StoredAudit, stored_audit
from widgets.lookup import installation
from widgets.people.sign_on import may
from widgets.protection.budget_shown import BudgetShown
from widgets.waiting import ask, is_waiting, show_failure, wait

KEY = "audit"
LIMIT_SECONDS = 6 * 3600.0
"""The time after which an audit is no longer waited for: that of a large network takes hours."""


def audit_of(budget: BudgetShown) -> StoredAudit | None:
    """The newest audit of a run of the chosen budget; None where none was audited."""
    found = [audit for run_id in budget.run_ids if (audit := stored_audit(installation().runs, run_id)) is not None]
    return max(found, key=lambda audit: audit.at, default=None)


def show_audit(budget: BudgetShown) -> None:
    """The verdict in a line, and in full where somebody asks; where there is none yet, what an audit is, and a button."""
    if not budget.run_ids:
        return
    show_failure(KEY)
    if is_waiting(KEY):
        wait(KEY, what="Audit of the mechanism", take=lambda _: None)
        return
    stored = audit_of(budget)
    if stored is None and not may(Action.MEASURE):
        return
    if stored is None:
        place = st.popover("Not audited yet", icon=":material/policy:", key="audit-open")
        place.markdown(
            "**Does the program keep to what is proven?** An audit trains on made-up patients alone, again and again, and adds nothing to "
            f"what was spent on real ones. {NO_PROOF}"
        )
        if place.button("Audit the mechanism", icon=":material/policy:", key="audit-mechanism"):
            ask(AuditOfRun(budget.run_ids[0]), key=KEY, limit_seconds=LIMIT_SECONDS)
            st.rerun()
        return
    verdict, *details = audit_sentences(stored.found)
    show = st.markdown if stored.found.consistent else st.error
    show(
        f"**Does the program keep to what is proven?** {plain(verdict)} Its attack proves a μ of at least "
        f"{stored.found.lower_bound_mu:.2f}; claimed is at most {stored.found.claimed_mu:.2f}."
    )
    with st.expander("The audit in full"):
        for sentence in details:
            st.markdown(f"- {plain(sentence)}")
