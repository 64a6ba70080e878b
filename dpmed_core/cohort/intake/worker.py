"""A process that reads images for another: chunks come in on stdin, what was read goes out on stdout, both as pickles of our own.

It ends when its stdin does, so it never outlives whoever started it, however that ended.
"""

import os
import pickle
import sys
from contextlib import suppress

from dpmed_core.cohort.intake.outcome import read_one


def main() -> None:
    """Read chunk after chunk until there is none."""
    asked = sys.stdin.buffer
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a decoder prints goes nowhere, rather than among the answers
    with suppress(EOFError, BrokenPipeError):  # whoever asked is gone
        while True:
            modality, chunk = pickle.load(asked)  # noqa: S301 - from the process that started this one
            pickle.dump([(place, read_one(image, modality)) for place, image in chunk], answers, pickle.HIGHEST_PROTOCOL)
            answers.flush()


if __name__ == "__main__":
    main()
