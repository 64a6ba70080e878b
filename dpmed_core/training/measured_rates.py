"""What trainings were measured to take, from the documents that `python -m benchmarks device --out docs/measured` stores; no torch.

A rate is an image's: how many of them a device trains on, scores or makes features of in a second. Nothing is assumed where nothing was
measured.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dpmed_core.errors import SpecError
from dpmed_core.files import UnreadableFileError, read_object

MEASURED = Path(__file__).parents[2] / "docs" / "measured"
"""The folder of the documents that ship with the product."""


@dataclass(frozen=True)
class Rate:
    """One measured rate.

    Attributes:
        recipe: whose network or encoder.
        what: "private", "nonprivate", "scored", "features" or "head".
        grid: positions of an image; empty for a head.
        device: "cuda" or "cpu".
        per_second: images, or of a head units times steps, in a second.
        peak_bytes: memory that a step took on the device.
        source: the device's name and the day, for a reader.
    """

    recipe: str
    what: str
    grid: tuple[int, ...]
    device: str
    per_second: float
    peak_bytes: int
    source: str


def read_rates(folder: Path = MEASURED) -> list[Rate]:
    """The rates of every measurement in `folder`, the newest last; of quick ones none.

    Raises:
        SpecError: a document is damaged, or no measurement.
    """
    dated: list[tuple[str, list[Rate]]] = []
    for path in sorted(folder.glob("*.json")):
        try:
            document = read_object(path)
            if not document["quick"]:
                rows = [row for row in document["rows"] if "images_per_second" in row and "recipe" in row]
                dated.append((str(document["date"]), [_rate(row, document) for row in rows]))
        except (UnreadableFileError, KeyError, TypeError, ValueError):
            raise SpecError(f"{path.name} in docs/measured is damaged or no measurement: remove it, or measure again.") from None
    return [rate for _, rates in sorted(dated, key=lambda one: one[0]) for rate in rates]


def _rate(row: dict[str, object], document: dict[str, object]) -> Rate:
    processor = document["machine"]["processor"]  # type: ignore[index]
    name = processor if row["device"] == "cpu" else document["device"]
    return Rate(
        str(row["recipe"]),
        str(row["what"]),
        tuple(int(side) for side in str(row["input"]).split("x") if side),
        str(row["device"]),
        float(str(row["images_per_second"])),
        int(str(row["peak_bytes"])),
        f"{name}, {document['date']}",
    )


def rate_at(rates: Sequence[Rate], recipe: str, what: str, grid: tuple[int, ...], device: str) -> Rate | None:
    """The newest rate at exactly this input; between two measured sizes of a square, one between them; None where neither is there.

    Between sizes, logarithms of rate and memory are taken as linear in that of the side, both measured on one device and day:

    >>> known = [Rate("paper", "scored", (s, s), "cpu", r, 1, "CPU") for s, r in ((64, 160.0), (256, 10.0))]
    >>> round(rate_at(known, "paper", "scored", (128, 128), "cpu").per_second, 6), rate_at(known, "paper", "scored", (512, 512), "cpu")
    (40.0, None)
    """
    own = [rate for rate in rates if (rate.recipe, rate.what, rate.device) == (recipe, what, device)]
    if exact := [rate for rate in own if rate.grid == grid]:
        return exact[-1]
    if not own or len(grid) != 2 or grid[0] != grid[1]:
        return None
    newest = {rate.grid[0]: rate for rate in own if rate.source == own[-1].source and len(rate.grid) == 2}
    below, above = [side for side in newest if side < grid[0]], [side for side in newest if side > grid[0]]
    if not below or not above:
        return None
    low, high = newest[max(below)], newest[min(above)]
    share = math.log(grid[0] / low.grid[0]) / math.log(high.grid[0] / low.grid[0])
    per_second, peak = (
        math.exp((1 - share) * math.log(max(one, 1)) + share * math.log(max(other, 1)))
        for one, other in ((low.per_second * 1e6, high.per_second * 1e6), (low.peak_bytes, high.peak_bytes))
    )
    source = f"{low.source}, between {low.grid[0]} and {high.grid[0]} pixels"
    return Rate(recipe, what, grid, device, per_second / 1e6, round(peak), source)
