"""Reading a manifest of a million rows and two hundred columns, against pyarrow's own read of the columns that are used.

Each is measured in a process of its own, which prints its time and its peak memory; the file is read once before, so that all read it from
the system's cache. pyarrow's own read is `pyarrow.csv.read_csv` with `include_columns`, and its reader of blocks, `open_csv`, which
takes less memory. The row "parsed" also parses every row and looks for its image, as an import does.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

import numpy as np

N_ROWS, N_OTHERS, ROUNDS = 1_000_000, 194, 3
USED = ("image", "patient_id", "age", "sex", "effusion", "copd")
PROGRAMS = {
    "pyarrow read_csv": "import pyarrow.csv as c\nn = len(c.read_csv(path, convert_options=c.ConvertOptions(include_columns=used)))",
    "pyarrow open_csv": (
        "import pyarrow as pa, pyarrow.csv as c\n"
        "n = len(pa.Table.from_batches(list(c.open_csv(path, convert_options=c.ConvertOptions(include_columns=used)))))"
    ),
    "manifest": "n = len(read().rows)",
    "manifest, parsed": "n = sum(1 for _ in read().rows)",
}
MEASURE = """
import resource, sys, time
from pathlib import Path
path, used = sys.argv[1], {used}
import pyarrow.csv
if {ours}:
    from dpmed_core.cohort.sources.manifest import read_manifest
    def read():
        return read_manifest(Path(path), images_dir=None, findings=["effusion"], comorbidities=["copd"])
began = time.monotonic()
{program}
print(n, time.monotonic() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def rows() -> list[dict[str, object]]:
    """One row for each reader: median time, peak memory, and the time as a ratio to both of pyarrow's readers."""
    with tempfile.TemporaryDirectory() as folder:
        path = write_table(Path(folder) / "manifest.csv", N_ROWS)
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in PROGRAMS}
        for _ in range(ROUNDS):
            for name in PROGRAMS:
                found[name].append(_measured(name, path))
    seconds = {name: median(time for time, _ in measured) for name, measured in found.items()}
    return [
        {
            "reader": name,
            "seconds": round(seconds[name], 2),
            "peak_mib": round(max(peak for _, peak in found[name])),
            "ratio_to_read_csv": round(seconds[name] / seconds["pyarrow read_csv"], 2),
            "ratio_to_open_csv": round(seconds[name] / seconds["pyarrow open_csv"], 2),
        }
        for name in PROGRAMS
    ]


def write_table(path: Path, n_rows: int) -> Path:
    """A CSV of `n_rows` rows with the columns `USED` and `N_OTHERS` others; its images exist."""
    rng = np.random.default_rng(0)
    others = [",".join(map(str, rng.integers(0, 1000, N_OTHERS))) for _ in range(997)]
    for number in range(12):
        (path.parent / f"{number:02d}.png").touch()
    with path.open("w") as file:
        file.write(",".join([*USED, *(f"c{number}" for number in range(N_OTHERS))]) + "\n")
        for i in range(n_rows):
            file.write(f"{i % 12:02d}.png,p{i // 2:07d},{20 + i % 70},{'FM'[i % 2]},{i % 2},{i // 2 % 2},{others[i % 997]}\n")
    return path


def _measured(name: str, path: Path) -> tuple[float, float]:
    """Seconds, and peak MiB of the whole process."""
    program = MEASURE.format(used=list(USED), ours=name.startswith("manifest"), program=PROGRAMS[name])
    printed = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True).stdout.split()
    assert int(printed[0]) == N_ROWS
    return float(printed[1]), float(printed[2])
