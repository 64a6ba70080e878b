"""Figures as static pictures, drawn by the Chrome or Chromium that is installed; nothing is downloaded and no network is used."""

import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Literal

import plotly.graph_objects as go
import psutil

from dpmed_core.child_environment import decoder_environment
from dpmed_core.errors import ExportError

PictureFormat = Literal["png", "svg", "pdf"]

PICTURE_FORMATS: tuple[PictureFormat, ...] = ("png", "svg", "pdf")
PNG_SCALE = 300 / 96
"""Pixels of a PNG for each pixel of the layout: 300 dots per inch at the width of the column."""
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
BROWSER_VARIABLE = "BROWSER_PATH"
PAGE_WIDTH = 900
LONGEST_SECONDS, STARTING_SECONDS = 60, 20
"""For drawing, and for the process that draws to start."""
REPEATED_SHIFT = re.compile(rb'(<text[^>]*?) dy="[^"]*"([^>]*><tspan class="line" dy=)')
"""The vertical shift of a text whose lines have shifts of their own: browsers apply the lines' alone, other viewers add the two."""
NO_BROWSER = (
    "A static picture needs Chrome or Chromium on this machine, and none was found: install one or name it in BROWSER_PATH, "
    "save the figure as *.html, or use the camera button above the figure on its page."
)


def browser() -> Path | None:
    """The Chrome or Chromium that draws pictures; None where there is none."""
    named = os.environ.get(BROWSER_VARIABLE)  # Kaleido looks for a browser there too
    if named:
        return Path(named) if os.access(named, os.X_OK) else None
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    return Path(found) if found else None


def picture(figure: go.Figure, kind: PictureFormat) -> bytes:
    """The figure as a PNG (300 dots per inch), SVG or PDF, in the size of its layout.

    Raises:
        ExportError: there is no browser, or it cannot draw.
    """
    path = browser()
    if path is None:
        raise ExportError(NO_BROWSER)
    # A figure for a page has no width of its own.
    options = {
        "format": kind,
        "width": figure.layout.width or PAGE_WIDTH,
        "height": figure.layout.height,
        "scale": PNG_SCALE if kind == "png" else 1,
    }
    about = {"options": options, "browser": str(path), "seconds": LONGEST_SECONDS}
    drawn = _drawn(json.dumps({"figure": json.loads(figure.to_json()), **about}))
    if isinstance(drawn, str):
        raise ExportError(f"The browser {path.name} could not draw the picture ({drawn}): try again, or save the figure as *.html.")
    return REPEATED_SHIFT.sub(rb"\1\2", drawn) if kind == "svg" else drawn


def _drawn(asked: str) -> bytes | str:
    """The picture that a process of its own draws, or the class of the error that kept it from that.

    A browser that hangs while it starts hangs whoever waits for it: process and browser are then ended together.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "dpmed_core.reporting.drawing"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=decoder_environment(),  # what it draws holds other people's text
        start_new_session=True,
    )
    try:
        drawn, said = process.communicate(asked.encode(), timeout=LONGEST_SECONDS + STARTING_SECONDS)
    except subprocess.TimeoutExpired:
        return "TimeoutError"
    finally:
        _end_with_children(process)
    if process.returncode or not drawn:
        name = said.decode(errors="replace").rpartition("\n")[2]
        return name if name.isidentifier() else "BrowserFailedError"
    return drawn


def _end_with_children(process: "subprocess.Popen[bytes]") -> None:
    """End a process and all that it has started: a browser is in a session of its own."""
    with suppress(psutil.NoSuchProcess):
        for started in (*psutil.Process(process.pid).children(recursive=True), process):
            with suppress(psutil.NoSuchProcess):
                started.kill()
    process.communicate()
