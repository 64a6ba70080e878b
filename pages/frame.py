"""The frame around every page: configuration, navigation, shared choices, and what becomes of an error."""

from pathlib import Path

import streamlit as st

from dpmed_core.errors import DpmedError
from dpmed_core.foreign_text import LONGEST_SENTENCE, plain_with_commands
from widgets.choices import shared_choices
from widgets.spending import show_total_in_short
from widgets.terms import show_terms

st.set_page_config(page_title="DPMed", page_icon=Path(__file__).parent / "icon.svg", layout="wide")
page = st.navigation(
    [
        st.Page("overview.py", title="Overview", icon=":material/groups:", default=True),
        st.Page("import_cohort.py", title="Import", icon=":material/upload_file:", url_path="import"),
        st.Page("train.py", title="Train", icon=":material/model_training:", url_path="train"),
        st.Page("privacy_utility.py", title="Privacy and utility", icon=":material/show_chart:", url_path="privacy_utility"),
        st.Page("fairness.py", title="Fairness", icon=":material/balance:", url_path="fairness"),
        st.Page("meeting.py", title="Meeting", icon=":material/co_present:", url_path="meeting"),
        st.Page("privacy.py", title="Privacy", icon=":material/shield_person:", url_path="privacy"),
        st.Page("cases.py", title="Cases", icon=":material/radiology:", url_path="cases"),
        st.Page("review.py", title="Review", icon=":material/rule:", url_path="review"),
        st.Page("status.py", title="Status", icon=":material/monitor_heart:", url_path="status"),
    ]
)
try:
    shared_choices()
    show_total_in_short()
    show_terms()
    page.run()
except DpmedError as error:
    st.error(plain_with_commands(str(error), most=LONGEST_SENTENCE), icon=":material/error:")
