"""A report as a PDF, printed by the Chrome or Chromium that is installed, without a network."""

import os
import subprocess
import tempfile
from pathlib import Path

from dpmed_core.child_environment import decoder_environment
from dpmed_core.errors import ExportError
from dpmed_core.reporting.static_images import NO_BROWSER, browser

LONGEST_SECONDS = 120
DRAWING_MILLISECONDS = 20_000
"""Of the page's own clock, which runs as fast as the machine: figures are drawn long before."""
NOWHERE = "MAP * ~NOTFOUND"
"""No name is looked up: the page needs none."""


def report_pdf(page: str) -> bytes:
    """`page` on A4.

    Raises:
        ExportError: there is no browser, or it cannot print.
    """
    path = browser()
    if path is None:
        raise ExportError(NO_BROWSER)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source, out = folder / "report.html", folder / "report.pdf"
        source.write_text(page, encoding="utf-8")
        command = [
            *(str(path), "--headless", "--disable-gpu", "--disable-extensions", "--no-first-run", "--no-pdf-header-footer"),
            *(f"--user-data-dir={folder / 'profile'}", f"--host-resolver-rules={NOWHERE}", f"--virtual-time-budget={DRAWING_MILLISECONDS}"),
            # Chrome's sandbox does not start for root; the page is ours, and all foreign text in it is escaped.
            *(["--no-sandbox"] if os.geteuid() == 0 else []),
            *(f"--print-to-pdf={out}", source.as_uri()),
        ]
        try:
            subprocess.run(command, env=decoder_environment(), capture_output=True, timeout=LONGEST_SECONDS, check=True)
        except (OSError, subprocess.SubprocessError) as error:
            raise ExportError(
                f"The browser {path.name} could not print the report ({type(error).__name__}): try again, or write *.html."
            ) from None
        if not out.exists():
            raise ExportError(f"The browser {path.name} printed nothing: try again, or write *.html.")
        return out.read_bytes()
