"""The catalogue of adapters."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

from dpmed_core.cohort.sources.chexpert import read_chexpert
from dpmed_core.cohort.sources.dicom_folder import read_dicom_folder
from dpmed_core.cohort.sources.manifest import read_manifest
from dpmed_core.cohort.sources.medmnist import read_medmnist
from dpmed_core.cohort.sources.mimic import read_mimic_dicom, read_mimic_jpg
from dpmed_core.cohort.sources.nih import read_nih
from dpmed_core.cohort.sources.padchest import read_padchest
from dpmed_core.cohort.sources.request import ImportRequest
from dpmed_core.cohort.sources.rows import Source
from dpmed_core.cohort.sources.rsna import read_rsna
from dpmed_core.cohort.sources.vindr import read_vindr
from dpmed_core.errors import CohortError


@dataclass(frozen=True)
class Adapter:
    """One layout that can be read.

    Attributes:
        title: what the layout is, for `cohort add --help`.
        path_is: what PATH must name, in words.
        read: returns the rows that an import request describes.
        obeys: the fields of the request that it obeys, besides `path` and `modality`.
    """

    title: str
    path_is: str
    read: Callable[[ImportRequest], Source]
    obeys: tuple[str, ...]


def open_source(kind: str, request: ImportRequest) -> Source:
    """The rows that `request` describes, read by the adapter `kind`.

    Raises:
        CohortError: there is no such adapter or path, or the source cannot be used.
    """
    if kind not in ADAPTERS:
        raise CohortError(f"There is no source {kind!r}: choose one of {', '.join(ADAPTERS)}.")
    if not request.path.exists() and kind != MANIFEST:
        raise CohortError(f"PATH does not exist: give {ADAPTERS[kind].path_is}.")
    _refuse_unused(kind, request)
    return replace(ADAPTERS[kind].read(request), kind=kind)


def _refuse_unused(kind: str, request: ImportRequest) -> None:
    """Check that the adapter obeys everything that was asked for: what is said is done, or refused.

    Raises:
        CohortError: it does not.
    """
    for one in fields(request):
        if one.name in (*ALWAYS, *ADAPTERS[kind].obeys) or getattr(request, one.name) == one.default:
            continue
        option = f"--{one.name.replace('_', '-')}"
        others = [other for other, adapter in ADAPTERS.items() if one.name in adapter.obeys]
        raise CohortError(f"The source {kind!r} has no use for {option}, which belongs to {', '.join(others)}: leave it out.")


def _read_manifest(request: ImportRequest) -> Source:
    return read_manifest(
        request.path,
        images_dir=request.images,
        findings=request.findings,
        comorbidities=request.comorbidities,
        uncertain=request.uncertain,
        study_order=request.study_order,
    )


def _read_medmnist(request: ImportRequest) -> Source:
    return read_medmnist(request.path, findings=request.findings)


MANIFEST = "manifest"
MIMIC_OBEYS = ("findings", "images", "labels", "uncertain", "unmentioned_unknown", "published_split", "views")
ALWAYS = ("path", "modality")
ADAPTERS: dict[str, Adapter] = {
    MANIFEST: Adapter(
        "A table of your own",
        "a table with one row per image",
        _read_manifest,
        ("findings", "comorbidities", "images", "uncertain", "study_order"),
    ),
    "dicom": Adapter(
        "A folder of DICOM files",
        "the folder",
        read_dicom_folder,
        ("findings", "comorbidities", "labels", "match", "uncertain", "study_order"),
    ),
    "nih-chestxray14": Adapter(
        "NIH ChestX-ray14", "the folder that holds Data_Entry_2017_v2020.csv", read_nih, ("findings", "images", "published_split")
    ),
    "chexpert": Adapter(
        "CheXpert",
        "the folder that holds train.csv",
        read_chexpert,
        ("findings", "images", "uncertain", "unmentioned_unknown", "published_split", "views"),
    ),
    "mimic-cxr-jpg": Adapter("MIMIC-CXR-JPG", "the folder that holds files/ and the tables", read_mimic_jpg, MIMIC_OBEYS),
    "mimic-cxr": Adapter("MIMIC-CXR", "the folder that holds files/ and cxr-record-list.csv.gz", read_mimic_dicom, MIMIC_OBEYS),
    "padchest": Adapter(
        "PadChest",
        "the folder that holds PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv",
        read_padchest,
        ("findings", "images", "views"),
    ),
    "vindr-cxr": Adapter(
        "VinDr-CXR", "the folder that holds train/, test/ and annotations/", read_vindr, ("findings", "images", "published_split")
    ),
    "rsna-pneumonia": Adapter(
        "RSNA Pneumonia Detection Challenge", "the folder that holds stage_2_train_labels.csv", read_rsna, ("findings", "images")
    ),
    "medmnist": Adapter("MedMNIST", "the .npz file of one data set", _read_medmnist, ("findings", "published_split")),
}
