"""Parts of the page *Import*: a folder picker, and how files are read."""

from pathlib import Path, PurePosixPath

import pandas as pd
import streamlit as st

from dpmed_core.foreign_text import plain
from dpmed_core.phrases import counted
from dpmed_core.uploads.folders import contents_of
from dpmed_core.uploads.preview import ImportPreview

HERE, FOLDER = ".", "import-folder"
OPEN = "Open a folder"
TABLES_NAMED = 3


def choose_folder(root: Path) -> str | None:
    """The folder under `root`, relative to it, that the reader chose to use; None until then. Folders are opened one below the other."""
    here = str(st.session_state.get(FOLDER, HERE))
    contents = contents_of(root, here)
    parent = str(PurePosixPath(here).parent)
    st.markdown(
        f":material/folder_open: **{plain(root.name)}**" + ("" if here == HERE else f" / {plain(' / '.join(PurePosixPath(here).parts))}")
    )
    tables = f": {plain(', '.join(contents.tables[:TABLES_NAMED]))}" if contents.tables else ""
    st.caption(
        f"{counted(len(contents.folders), 'folder', 'folders')}, {counted(contents.n_files, 'file', 'files')} and "
        f"{counted(len(contents.tables), 'table', 'tables')}{tables} here. The table may also lie in a folder below."
    )
    if contents.folders:
        st.selectbox(
            OPEN,
            contents.folders,
            index=None,
            key=f"{FOLDER}-{here}",
            on_change=_open,
            args=(here, f"{FOLDER}-{here}"),
            placeholder="Choose a folder to look into",
        )
    up, use = st.columns([1, 2])
    if up.button("Up", key=f"{FOLDER}-up", icon=":material/arrow_upward:", disabled=here == HERE):
        st.session_state[FOLDER] = parent
        st.rerun()
    return here if use.button("Use this folder", key=f"{FOLDER}-use", type="primary", icon=":material/check:") else None


def _open(here: str, key: str) -> None:
    if (name := st.session_state.get(key)) is not None:
        st.session_state[FOLDER] = str(PurePosixPath(here) / name)
        st.session_state[key] = None


def show_what_is_read(summary: ImportPreview) -> None:
    """Every distinct kind of file, and how the images of the preview were read: depth, values, orientation, and what was assumed."""
    if not summary.kinds:
        return
    st.header("What will be read")
    kinds = pd.DataFrame([{"Kind of file": one.kind, "Files": one.count, "First in row": one.row} for one in summary.kinds])
    st.dataframe(kinds, hide_index=True)
    if summary.n_looked < summary.n_usable:
        st.caption(f"Of {summary.n_usable:,} files, {summary.n_looked:,} taken evenly were looked at: rarer kinds may be missing here.")
    columns = {
        "row": "Row",
        "kind": "Read as",
        "bits": "Bits of a value",
        "values": "Values",
        "orientation": "Orientation",
        "photometric": "Meaning of values",
        "assumed": "Assumed",
    }
    readings = pd.DataFrame([{**one, "assumed": "; ".join(one["assumed"])} for one in summary.readings], columns=list(columns))
    st.dataframe(readings.rename(columns=columns), hide_index=True)
