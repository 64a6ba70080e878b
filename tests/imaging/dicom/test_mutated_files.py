"""Damaged files, reproducible by a seed: some hundred here, thousands in `python -m benchmarks.mutated_files`."""

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.mutated_files import LIMIT_BYTES, MUTATIONS, mutants

ROOT = Path(__file__).resolve().parents[3]
N_FILES = 220


def test_broken_files_are_refused_without_crash_hang_or_memory():
    """The files are read in a subprocess, whose exit status and peak memory can be checked."""
    command = [sys.executable, "-W", "error", "-m", "benchmarks.mutated_files", "--files", str(N_FILES), "--seed", "3", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    outcome = json.loads(done.stdout)
    assert outcome["faults"] == [] and done.returncode >= 0
    assert outcome["n_images"] + outcome["n_refused"] == N_FILES and outcome["n_refused"] > N_FILES / 2
    assert max(outcome["peak_bytes"], outcome["decoder_peak_bytes"]) < LIMIT_BYTES
    assert all(sentence.endswith(".") and "\n" not in sentence for sentence in outcome["sentences"])


def test_the_same_seed_breaks_the_same_files_in_every_way():
    one, two = (list(mutants(N_FILES, 3)) for _ in range(2))
    assert one == two
    assert {name for name, _, _ in one} == {mutation.__name__ for mutation in MUTATIONS}
