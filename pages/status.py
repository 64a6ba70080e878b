"""Status: whether the installation works, what it is doing, and where its data lie; for whoever runs it."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from dpmed_core.doctor.state import Fault, database_address, used_bytes, versions, working_state_of
from dpmed_core.foreign_text import LONGEST_SENTENCE, plain, plain_with_commands
from dpmed_core.phrases import bytes_in_words, counted
from widgets.copied_text import show_copied_text
from widgets.headings import HEADINGS
from widgets.html_table import show_table
from widgets.lookup import guarded, installation
from widgets.status.checks import show_checks
from widgets.status.working import show_working

EVERY_SECONDS = 5.0
STORAGE_EVERY_SECONDS = 60.0
MOST_UNREADABLE = 5
COLUMNS = {"time": "Time (UTC)", "level": "Level", "process": "Process", "message": "Message"}


def show_unreadable(messages: Sequence[str]) -> None:
    """What is wrong with each run that cannot be read, and what to do."""
    for message in messages[:MOST_UNREADABLE]:
        st.error(plain_with_commands(message, most=LONGEST_SENTENCE), icon=":material/error:")
    if len(messages) > MOST_UNREADABLE:
        st.error(f"{counted(len(messages) - MOST_UNREADABLE, 'further run', 'further runs')} cannot be read.", icon=":material/error:")


def show_faults(faults: Sequence[Fault]) -> None:
    """The last warnings and errors in the logs."""
    st.header("Last warnings and errors")
    if not faults:
        st.caption("None in the logs.")
        return
    rows = [
        {"Time (UTC)": fault.time, "Level": fault.level.lower(), "Process": fault.process, "Message": fault.message} for fault in faults
    ]
    show_table(pd.DataFrame(rows), label="Last warnings and errors")


def show_now() -> None:
    """Everything that changes by itself, renewed while the page is open."""
    show_checks()
    state = working_state_of(installation())
    show_unreadable(state.unreadable)
    show_working(state)
    show_faults(state.faults)


def show_storage() -> None:
    """Where the data lie and what they take, and the versions of what runs."""
    settings = installation().settings
    used = used_bytes(settings.data_dir)
    left, right = st.columns(2)
    with left:
        st.header("Storage")
        show_copied_text(str(settings.data_dir), label="Data folder")
        st.caption(plain(f"Database: {database_address(settings)}. Together {bytes_in_words(sum(used.values()))}."))
        rows = [{"Folder": name, "Size": bytes_in_words(size)} for name, size in used.items()]
        show_table(pd.DataFrame(rows), label="Storage by folder")
    with right:
        st.header("Versions")
        show_table(pd.DataFrame(versions().items(), columns=["Program", "Version"]), label="Versions")


st.title(HEADINGS["status"])
st.markdown("Whether this installation works, what it is doing now, and where its data lie.")
st.fragment(run_every=EVERY_SECONDS)(guarded(show_now))()
# All files of the data folder are counted.
st.fragment(run_every=STORAGE_EVERY_SECONDS)(guarded(show_storage))()
st.header("Look closer")
st.caption("These commands look at everything that is stored, and say what to do about what is wrong:")
show_copied_text("python -m dpmed_core doctor\npython -m dpmed_core status --json", label="Commands that look closer")
