"""The trail: who saw or did what, and what was refused."""

import time

import pandas as pd
import streamlit as st

from dpmed_core.foreign_text import plain_csv
from widgets.lookup import installation

MOST_SHOWN = 500


def show_trail() -> None:
    """The last entries, newest first, and the same as a file."""
    st.header("Trail")
    st.caption("What was done stands here each time; what was looked at, once a session. The command `people trail` shows more.")
    acts = installation().trail.last(MOST_SHOWN)
    if not acts:
        st.info("Nothing was recorded yet.")
        return
    rows = pd.DataFrame(
        [
            {
                "Time (UTC)": time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(act.at)),
                "Person": act.who,
                "Act": act.action,
                "About": act.about,
                "Outcome": "" if act.allowed else "refused",
            }
            for act in acts
        ]
    )
    st.dataframe(rows, hide_index=True)
    st.download_button("Download the trail (CSV)", plain_csv(rows), "trail.csv", "text/csv", on_click="ignore")
