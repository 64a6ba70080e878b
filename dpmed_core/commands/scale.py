"""`plan --at`: how long trainings of many images take, and what they need, from measured rates."""

import pandas as pd

from dpmed_core.commands.output import say

HEADINGS = {
    "recipe": "recipe",
    "modality": "modality",
    "input": "input",
    "where": "on",
    "hours": "hours",
    "memory_gib": "memory (GiB)",
    "device_memory_gib": "of a GPU (GiB)",
    "disk_gib": "disk (GiB)",
}
"""Columns of the printed table, and their headings."""


def say_scale(at: str, *, as_json: bool) -> None:
    """Print what trainings of `at` ("193311x512") take: rows as JSON, or a table and a sentence.

    Raises:
        SpecError: `at` is no number of images and size.
    """
    from dpmed_core.training.measured_rates import read_rates
    from dpmed_core.training.scale import parse_at, scale_rows  # loads torch

    n_images, pixels = parse_at(at)
    rows = scale_rows(n_images, pixels, read_rates())
    say(rows, _readable(rows, n_images, pixels), as_json=as_json)


def _readable(rows: list[dict[str, object]], n_images: int, pixels: int) -> str:
    """The rows with figures as a table, why the others have none, and a sentence."""
    from dpmed_core.training.encoders.network_input import IMAGE_SIDE  # loads torch

    table = pd.DataFrame(rows)
    table["where"] = [_where(str(row["device"]), int(str(row["n_devices"]))) for row in rows]
    known = table[table["hours"].notna()]
    parts = []
    if len(known):
        told = [name for name in HEADINGS if known[name].notna().any()]
        shown = known[told].rename(columns=HEADINGS).to_string(index=False, na_rep="", float_format=lambda value: f"{value:,.3g}")
        parts += [shown, ""]
    without: dict[str, dict[str, list[str]]] = {}
    for row in rows:
        if row["hours"] is None:
            places = without.setdefault(str(row["reason"]), {"of": [], "on": []})
            places["of"].append(str(row["recipe"]))
            places["on"].append(_where(str(row["device"]), int(str(row["n_devices"]))))
    parts += [f"No figures for {_listed(places['of'])} on {_listed(places['on'])}: {reason}." for reason, places in without.items()]
    if pixels != IMAGE_SIDE:
        parts.append(
            f"Networks read radiographs at {IMAGE_SIDE} pixels in this version; at {pixels} a step was measured, and no such run exists."
        )
    return "\n".join([*parts, scale_sentence(rows, n_images, pixels)])


def scale_sentence(rows: list[dict[str, object]], n_images: int, pixels: int) -> str:
    """The rows in a sentence: what they are of, the quickest network on one device of each kind, and what was measured."""
    known = [row for row in rows if row["hours"] is not None]
    one = [row for row in known if row["n_devices"] == 1 and row["modality"] == "radiograph"]
    said = "; ".join(f"{row['recipe']} on one {_where(str(row['device']), 1)} {_hours(float(str(row['hours'])))}" for row in one)
    gpu = "" if any(row["device"] == "cuda" for row in known) else " No GPU was measured, so that no hours on one are given."
    measured = "; ".join(dict.fromkeys(str(row["measured_on"]) for row in one)) or "nothing"
    what = f"One private training of {n_images:,} images at {pixels} pixels, one a patient, 70 % of them trained on"
    return f"{what}: {said or 'not measured'} (measured on {measured}).{gpu}"


def _listed(names: list[str]) -> str:
    return ", ".join(dict.fromkeys(names))


def _where(device: str, n_devices: int) -> str:
    return "CPU thread" if device == "cpu" else "GPU" if n_devices == 1 else f"{n_devices} GPUs"


def _hours(hours: float) -> str:
    return f"{hours:,.0f} hours" if hours >= 10 else f"{hours:.2g} hours"
