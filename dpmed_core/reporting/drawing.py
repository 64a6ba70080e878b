"""Draws one figure with the installed browser, in a process of its own, which can be ended where the browser hangs.

Started by `static_images`. Reads one JSON document from standard input and writes the picture to standard output; where the browser cannot
draw, it writes the class of the error to standard error and exits with 1.
"""

import json
import os
import sys

import kaleido
from kaleido.errors import BrowserClosedError, BrowserFailedError, ChromeNotFoundError, JavascriptError, KaleidoError


def main() -> None:
    """Draw the figure that standard input describes: `figure`, `options` and `browser`, its path, and `seconds`, the limit."""
    answer = os.dup(1)
    os.dup2(2, 1)  # what the browser and its driver print is no part of the picture
    asked = json.loads(sys.stdin.buffer.read())
    # Without MathJax, which Kaleido would load from the network.
    settings = {"mathjax": False, "path": asked["browser"], "timeout": asked["seconds"]}
    try:
        drawn = kaleido.calc_fig_sync(asked["figure"], opts=asked["options"], kopts=settings)
    except (BrowserClosedError, BrowserFailedError, ChromeNotFoundError, JavascriptError, KaleidoError, TimeoutError) as error:
        sys.stderr.write(f"\n{type(error).__name__}")
        sys.exit(1)
    with os.fdopen(answer, "wb") as out:
        out.write(bytes(drawn) if not isinstance(drawn, str) else drawn.encode())


if __name__ == "__main__":
    main()
