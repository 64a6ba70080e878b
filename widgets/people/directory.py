"""The people who were granted roles, the form that grants and revokes, and what each role may do."""

import pandas as pd
import streamlit as st

from dpmed_core.errors import DpmedError
from dpmed_core.foreign_text import LONGEST_SENTENCE, plain
from dpmed_core.people.directory import LONGEST_REASON
from dpmed_core.people.identity import LONGEST_WHO
from dpmed_core.people.roles import ALLOWED, Action, Role
from widgets.lookup import installation
from widgets.people.sign_on import may

EVERY_ROLE = "all roles"


def show_people() -> None:
    """Everybody with an entry here, and for administrators the form."""
    st.header("People")
    directory = installation().directory
    found, last = directory.people(), {entry.who: entry for entry in directory.grants()}
    rows = [
        {
            "Person": who,
            "Roles": ", ".join(role.value for role in Role if role in roles) or "none",
            "Last changed by": last[who].by,
            "Why": last[who].reason,
        }
        for who, roles in found.items()
    ]
    if rows:
        st.dataframe(pd.DataFrame(rows), hide_index=True)
    else:
        st.info("Nobody was granted a role here yet.")
    if installation().settings.role_claim:
        st.caption("The provider gives roles too; those of a person count unless they are revoked here.")
    if may(Action.MANAGE_PEOPLE):
        _show_form()


def _show_form() -> None:
    """Grants or revokes a role."""
    with st.form("grant-role", clear_on_submit=True):
        left, middle, right = st.columns([3, 2, 3], vertical_alignment="bottom")
        who = left.text_input("Person", max_chars=LONGEST_WHO, placeholder="name@hospital.example")
        role = middle.selectbox("Role", [*(role.value for role in Role), EVERY_ROLE])
        reason = right.text_input("Why", max_chars=LONGEST_REASON)
        grants, revokes = st.columns(2)
        granted = grants.form_submit_button("Grant", icon=":material/person_add:", width="stretch")
        revoked = revokes.form_submit_button("Revoke", icon=":material/person_remove:", width="stretch")
    if granted or revoked:
        try:
            _write(who, None if role == EVERY_ROLE else Role(role), granted=granted, reason=reason)
        except DpmedError as error:
            st.error(plain(str(error), most=LONGEST_SENTENCE), icon=":material/error:")
            return
        st.rerun()


def _write(who: str, role: Role | None, *, granted: bool, reason: str) -> None:
    directory, by = installation().directory, installation().actor.name
    if not granted:
        directory.revoke(who, role, by=by, reason=reason)
    elif role is None:
        raise DpmedError("Roles are granted one by one: choose one.")
    else:
        directory.grant(who, role, by=by, reason=reason)


def show_table_of_roles() -> None:
    """What each role may see and do."""
    with st.expander("What each role may see and do"):
        rows = [
            {"": action.value, **{role.value: "yes" if role in allowed else "" for role in Role}} for action, allowed in ALLOWED.items()
        ]
        st.dataframe(pd.DataFrame(rows), hide_index=True)
