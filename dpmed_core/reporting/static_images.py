"""Figures as static pictures, drawn by the Chrome or Chromium that is installed; nothing is downloaded and no network is used."""

import os
import re
import shutil
from pathlib import Path
from typing import Literal

import plotly.graph_objects as go

from dpmed_core.child_environment import bare_environment
from dpmed_core.errors import ExportError

PictureFormat = Literal["png", "svg", "pdf"]

PICTURE_FORMATS: tuple[PictureFormat, ...] = ("png", "svg", "pdf")
PNG_SCALE = 300 / 96
"""Pixels of a PNG for each pixel of the layout: 300 dots per inch at the width of the column."""
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
BROWSER_VARIABLE = "BROWSER_PATH"
PAGE_WIDTH = 900
LONGEST_SECONDS = 60
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
    # Imported here, since most processes draw no picture.
    import kaleido
    from choreographer.browsers.chromium import Chromium
    from kaleido.errors import BrowserClosedError, BrowserFailedError, ChromeNotFoundError, JavascriptError, KaleidoError

    class Drawer(Chromium):
        """Chrome with no variable but those that it needs: what it draws holds other people's text."""

        def get_env(self) -> dict[str, str]:
            return bare_environment()

    # A figure for a page has no width of its own.
    options = {
        "format": kind,
        "width": figure.layout.width or PAGE_WIDTH,
        "height": figure.layout.height,
        "scale": PNG_SCALE if kind == "png" else 1,
    }
    # Without MathJax, which Kaleido would load from the network; with a limit, since a browser that cannot start may hang.
    settings = {"mathjax": False, "path": path, "timeout": LONGEST_SECONDS, "browser_cls": Drawer}
    try:
        drawn = kaleido.calc_fig_sync(figure.to_dict(), opts=options, kopts=settings)
    except (BrowserClosedError, BrowserFailedError, ChromeNotFoundError, JavascriptError, KaleidoError, TimeoutError) as error:
        raise ExportError(
            f"The browser {path.name} could not draw the picture ({type(error).__name__}): try again, or save the figure as *.html."
        ) from None
    return REPEATED_SHIFT.sub(rb"\1\2", drawn) if kind == "svg" else bytes(drawn)
