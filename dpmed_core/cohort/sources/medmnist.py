"""MedMNIST v2 and v3 (MedMNIST+): one .npz file per data set, with small images and the published split.

Source: Yang et al. 2023, Sci Data 10:41, doi 10.1038/s41597-022-01721-8; see docs/sources/medmnist.md.
"""

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dpmed_core.cohort.schema import Part
from dpmed_core.cohort.sources.rows import PATIENTS_UNKNOWN, Source, SourceRow
from dpmed_core.errors import CohortError
from dpmed_core.imaging.modality import Sex
from dpmed_core.imaging.npz_archive import ArrayImage, ArrayLayout, array_layouts, read_whole_array
from dpmed_core.phrases import counted

PARTS = {"train": Part.TRAIN, "val": Part.VALIDATION, "test": Part.TEST}
FILE_NAME = re.compile(r"([a-z]+mnist)(?:_(\d+))?")
CHANNELS = 3

ORGANS = (
    "bladder",
    "femur_left",
    "femur_right",
    "heart",
    "kidney_left",
    "kidney_right",
    "liver",
    "lung_left",
    "lung_right",
    "pancreas",
    "spleen",
)
CLASSES: dict[str, tuple[str, ...]] = {
    "pathmnist": (
        "adipose",
        "background",
        "debris",
        "lymphocytes",
        "mucus",
        "smooth_muscle",
        "normal_mucosa",
        "tumour_stroma",
        "adenocarcinoma",
    ),
    "chestmnist": (
        "atelectasis",
        "cardiomegaly",
        "effusion",
        "infiltration",
        "mass",
        "nodule",
        "pneumonia",
        "pneumothorax",
        "consolidation",
        "edema",
        "emphysema",
        "fibrosis",
        "pleural_thickening",
        "hernia",
    ),
    "dermamnist": (
        "actinic_keratosis",
        "basal_cell_carcinoma",
        "benign_keratosis",
        "dermatofibroma",
        "melanoma",
        "naevus",
        "vascular_lesion",
    ),
    "octmnist": ("choroidal_neovascularisation", "macular_oedema", "drusen", "normal"),
    "pneumoniamnist": ("normal", "pneumonia"),
    "retinamnist": ("grade_0", "grade_1", "grade_2", "grade_3", "grade_4"),
    "breastmnist": ("malignant", "normal_or_benign"),
    "bloodmnist": (
        "basophil",
        "eosinophil",
        "erythroblast",
        "immature_granulocyte",
        "lymphocyte",
        "monocyte",
        "neutrophil",
        "platelet",
    ),
    "tissuemnist": (
        "collecting_duct",
        "distal_tubule",
        "glomerular_endothelium",
        "interstitial_endothelium",
        "leukocytes",
        "podocytes",
        "proximal_tubule",
        "thick_ascending_limb",
    ),
    "organamnist": ORGANS,
    "organcmnist": ORGANS,
    "organsmnist": ORGANS,
}
"""Names of the classes in the order of their numbers; for a multi-label set, of its columns."""
NORMAL_CLASSES = ("normal", "normal_or_benign")
"""In a set of two classes, the other one is the finding."""


def read_medmnist(path: Path, *, findings: tuple[str, ...] = ()) -> Source:
    """The images of the MedMNIST file at `path`; each counts as a patient of its own, since the publication does not name patients.

    A multi-label set has its findings; of several classes, each becomes a finding, present or absent; of two
    classes, only the one that is not normal. Colour becomes luminance.

    Args:
        path: the .npz file; its name says which data set it is.
        findings: a selection of the findings; empty for all. For a file with an unknown name, the names of the classes in order.

    Raises:
        CohortError: the file cannot be read, does not hold 2D images, or has no such finding.
    """
    # Only headers: the layout is checked before anything of the arrays is decompressed.
    layouts = array_layouts(path)
    parts = [part for part in PARTS if f"{part}_images" in layouts]
    _refuse_unsuitable(layouts, parts)
    labels = {part: _labels(path, part, layouts[f"{part}_images"].shape[0]) for part in parts}
    names = _class_names(path, labels, findings)
    tables = _indicator_tables(labels, len(names))
    columns = _finding_columns(names, findings, multi_label=next(iter(labels.values())).shape[1] > 1)
    rows: list[SourceRow] = []
    for part in parts:
        rows += _rows(path, part, tables[part], columns, first=len(rows) + 1)
    layout = layouts[f"{parts[0]}_images"]
    return Source(rows, tuple(columns), patients_known=False, notes=tuple(_notes(layout)), size=(layout.shape[1], layout.shape[2]))


def _refuse_unsuitable(layouts: dict[str, ArrayLayout], parts: list[str]) -> None:
    """Check that the arrays have MedMNIST's names, types and shapes.

    Raises:
        CohortError: they do not.
    """
    missing = [f"{part}_labels" for part in parts if f"{part}_labels" not in layouts]
    if not parts or missing:
        raise CohortError(
            "The file does not have MedMNIST's layout: it must hold train_images, train_labels, and the same for val and test."
        )
    for part in parts:
        layout = layouts[f"{part}_images"]
        grey, colour = len(layout.shape) == 3, len(layout.shape) == 4 and layout.shape[-1] == CHANNELS
        if not (grey or colour) or layout.dtype != np.uint8 or 0 in layout.shape:
            raise CohortError("The file does not hold two-dimensional 8-bit images: volumes (MedMNIST3D) cannot be imported.")


def _labels(path: Path, part: str, n_images: int) -> NDArray[np.int64]:
    """The labels of one part `[n_images, n_columns]`."""
    labels = read_whole_array(path, f"{part}_labels")
    if labels.shape[:1] != (n_images,) or labels.ndim > 2 or labels.dtype.kind not in "iufb":
        raise CohortError(f"The labels of part {part!r} do not fit its {counted(n_images, 'image', 'images')}: download the file again.")
    return labels.reshape(n_images, -1).astype(np.int64)


def _class_names(path: Path, labels: dict[str, NDArray[np.int64]], findings: tuple[str, ...]) -> tuple[str, ...]:
    """Names of the classes: those of the data set, else the user's, else numbered ones."""
    highest = max(int(table.max()) for table in labels.values())
    columns = next(iter(labels.values())).shape[1]
    wanted = columns if columns > 1 else highest + 1
    found = FILE_NAME.match(path.stem.lower())
    known = CLASSES.get(found[1], ()) if found else ()
    if known and len(known) >= wanted:
        return known
    if len(findings) == wanted:
        return findings
    if wanted == 2 and len(findings) == 1 and not known:
        return f"not_{findings[0]}", findings[0]
    return tuple(f"class_{number}" for number in range(max(wanted, 2)))


def _indicator_tables(labels: dict[str, NDArray[np.int64]], n_classes: int) -> dict[str, NDArray[np.bool_]]:
    """For each part, which classes each image shows `[n_images, n_classes]`."""
    if any(table.min() < 0 for table in labels.values()):
        raise CohortError("The file's labels hold negative numbers, so it does not have MedMNIST's layout: download it again.")
    return {
        part: table > 0 if table.shape[1] > 1 else table == np.arange(n_classes, dtype=np.int64)[None, :] for part, table in labels.items()
    }


def _finding_columns(names: tuple[str, ...], findings: tuple[str, ...], *, multi_label: bool) -> dict[str, int]:
    """The findings to import, with their columns of the indicator tables."""
    columns = {name: column for column, name in enumerate(names)}
    unknown = [name for name in findings if name not in columns]
    if unknown:
        raise CohortError(f"The data set has no finding {unknown[0]!r}: it has {', '.join(names)}.")
    if findings:
        return {name: columns[name] for name in findings}
    if len(names) == 2 and not multi_label:
        positive = names[0] if names[1] in NORMAL_CLASSES else names[1]
        return {positive: columns[positive]}
    return columns


def _rows(path: Path, part: str, table: NDArray[np.bool_], columns: dict[str, int], *, first: int) -> list[SourceRow]:
    return [
        SourceRow(
            row=first + index,
            image=ArrayImage(path, f"{part}_images", index),
            patient=f"{part}-{index}",
            age=None,
            sex=Sex.UNKNOWN,
            part=PARTS[part],
            values={name: float(table[index, column]) for name, column in columns.items()},
        )
        for index in range(len(table))
    ]


def _notes(layout: ArrayLayout) -> list[str]:
    return [PATIENTS_UNKNOWN, *(["The images are in colour; their luminance is stored."] if len(layout.shape) == 4 else [])]
