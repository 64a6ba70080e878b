"""People: who may do what here, and who saw or did what."""

import streamlit as st

from widgets.headings import HEADINGS
from widgets.lookup import guarded
from widgets.people.directory import show_people, show_table_of_roles
from widgets.people.sign_on import signing_on_is_required
from widgets.people.trail import show_trail

st.title(HEADINGS["people"])
if not signing_on_is_required():
    st.info("Nobody signs on here: whoever reaches this dashboard may see and do everything. How to have people sign on: docs/people.md.")
else:
    guarded(show_people)()
    guarded(show_trail)()
    show_table_of_roles()
