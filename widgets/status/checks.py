"""Whether the installation works, as *Status* says it first."""

import streamlit as st

from dpmed_core.engine.health import installation_checks
from dpmed_core.foreign_text import LONGEST_SENTENCE, plain_with_commands
from widgets.lookup import installation

ALL_WELL = "Everything works: data folder, key, database and engine."


def show_checks() -> None:
    """Whether work that is asked for now would be done, and what to do where it would not."""
    wrong = faults_found()
    if not wrong:
        st.success(ALL_WELL, icon=":material/check_circle:")
    for sentence in wrong:
        st.error(plain_with_commands(sentence, most=LONGEST_SENTENCE), icon=":material/error:")


def faults_found() -> list[str]:
    """What is wrong and what to do about it, a sentence each, as text with commands in backticks."""
    wrong = [check for check in installation_checks(installation().settings) if not check.ok]
    return [f"{check.name.capitalize()}: {check.message} {check.repair}".strip() for check in wrong]
