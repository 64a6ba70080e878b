"""What to do about each remark of a report: which column of the table, which option of the command."""

from dpmed_core.cohort.report import Check, ImportReport, Severity
from dpmed_core.imaging.ct import ordering, series, warnings
from dpmed_core.imaging.ct.orientations import FORMS_DIFFER
from dpmed_core.imaging.dicom import display, patient
from dpmed_core.imaging.image import ENLARGED, TEXT_IN_CORNER
from dpmed_core.imaging.picture import COLOUR, OWN_RANGE, SEVERAL_FRAMES, TURNED

REPORT = "see the rows that the report names"
WARNINGS = {
    TEXT_IN_CORNER: ("text_in_corner", "look at these images, and export them without names and dates in the picture"),
    ENLARGED: ("enlarged", "import with --pixels 128, if most images are so small; a quarter of the disk then holds all that they show"),
    TURNED: ("turned_upright", "look at these images in the preview; export them without an EXIF orientation if they are wrong now"),
    OWN_RANGE: (
        "own_range",
        "nothing, if the preview looks right; else export them with values over the whole range of their bits",
    ),
    SEVERAL_FRAMES: ("several_frames", "save the frame that is meant as a picture of its own"),
    COLOUR: ("colour", "take screenshots out, or export the original images in grey"),
    display.COLOUR: ("colour", "take screenshots out, or export the original images in grey"),
    display.WINDOW_SHOWS_NOTHING: ("window_not_used", "nothing, if the preview looks right; else correct WindowCenter and WindowWidth"),
    display.OWN_COLOUR_RANGE: ("own_range", "nothing, if the preview looks right; else correct BitsStored"),
    patient.LATERAL: ("lateral", "take lateral views out of the column image if only frontal ones are meant"),
    patient.POLARITY_INVERTED: (
        "negative_inverted",
        "look at these images in the preview; correct PhotometricInterpretation if they are wrong now",
    ),
    patient.POLARITY_DOUBTFUL: (
        "negative_doubtful",
        "look at these images in the preview; correct PhotometricInterpretation where the lungs are bright",
    ),
    patient.BURNED_IN: ("burned_in", "look at these images, and export them without names and dates in the picture"),
    patient.OTHER_MODALITY: ("other_modality", "take these images out of the column image, or import them with another --modality"),
    patient.OTHER_BODY_PART: ("other_body_part", "take these images out of the column image"),
    FORMS_DIFFER: ("two_orientations", "save these files with one orientation if the sform is not the right one"),
    ordering.REPEATED: ("repeated_slice", "nothing; export the series again to be rid of the remark"),
    ordering.UNEVEN: ("uneven_slices", "use one reconstruction with even spacing where there is one"),
    ordering.TILTED: ("tilted", "nothing"),
    series.LOCALIZERS: ("localizers", "nothing, if the scan itself is complete"),
    series.SCREENSHOTS: ("screenshots", "nothing, if the scan itself is complete"),
    series.WITHOUT_PIXELS: ("without_pixels", "nothing, if the scan itself is complete"),
    warnings.SHORT: ("short_scan", "check that these scans cover the organ that is meant"),
    warnings.NO_AIR: ("no_air", "check RescaleIntercept, or save the volume in Hounsfield units"),
}
"""Warning about a single image -> its kind, and what to do about it."""

REPAIRS = {
    "patients_in_two_splits": "correct the column split: one part for all rows of a patient",
    "constant_images": "export these images again",
    "rows_left_out": "correct the column that the sentence names, in the rows that the report lists",
    "ages_at_least": "nothing, if age bands need no finer age; else correct the column age",
    "ages_are_dates": "format the column age as numbers in the spreadsheet",
    "ages_not_read": "correct the column age, or leave the cells blank",
    "sexes_not_read": "write F, M or other in the column sex; numbers mean different things in different tables",
    "study_orders_not_read": "write a number, or a date such as 1900-02-14, in the column of the study order, or leave the cells blank",
    "paths_of_another_computer": "nothing, if the images are the right ones; else write paths relative to --images in the column image",
    "paths_in_another_writing": "nothing, if the images are the right ones; else write the paths as the files are called",
    "identifiers_differ_in_writing": "write the column patient_id in one way, or take each group for one patient with --one-writing",
    "identical_images_of_one_patient": "take repeated rows out of the table",
    "identical_images_across_patients": "give rows of the same patient the same patient_id",
    "conflicting_labels": "correct the columns of findings in these rows",
    "near_identical_images_of_one_patient": "nothing; take repeated exports out of the table to be rid of the note",
    "near_identical_images_across_patients": "give rows of the same patient the same patient_id",
    "nearly_constant_images": "export these images again",
    "narrow_range_images": "export these images with the window in which they are read",
    "saturated_images": "export these images with the window in which they are read",
    "unknown_age": "fill in the column age where the age is known",
    "unknown_sex": "fill in the column sex where the sex is known",
    "unlabelled_images": "fill in the columns of findings, or take these rows out",
    "constant_finding": "take the finding out of --findings, or check its column",
    "rare_finding": "take the finding out of --findings, or add images that have it",
    "rare_in_subgroup": "nothing; compare coarser groups",
    "nothing_to_learn": "check the columns of --findings",
    "patients_with_two_sexes": "correct the column sex, or patient_id where two patients share one",
    "label_noise_candidates": "look at these images and correct the columns of findings",
    "label_noise_not_judged": "nothing",
    "source": "nothing, if the sentence describes what is meant",
}
"""Name of a check -> what to do about it."""
OF_PARTS = "give rows of the same patient the same patient_id, or take repeated images out of the table"
NO_IMAGES = "correct the column split, or leave it out"


def kind_of_warning(warning: str) -> str:
    """The kind of a warning about a single image; "image" for one that counts something."""
    return WARNINGS[warning][0] if warning in WARNINGS else "missing_slices" if ordering.MISSING.partition("{}")[2] in warning else "image"


def repair_of(check: Check) -> str:
    """What to do about `check`: which column, which option."""
    if check.kind:
        return next((repair for kind, repair in WARNINGS.values() if kind == check.kind), REPORT)
    if check.name.startswith("no_"):
        return NO_IMAGES
    return REPAIRS.get(check.name) or (OF_PARTS if check.name.startswith(("identical", "near_identical")) else REPORT)


def printed_fields(report: ImportReport) -> dict[str, object]:
    """The report as printed: the counts, the remarks and the rows left out in few words, then everything that is stored."""
    remarks = [
        {
            "kind": check.kind or check.name,
            "count": check.count,
            "message": check.sentence,
            "severity": check.severity.value,
            "repair": repair_of(check),
            "rows": list(check.rows),
            "groups": [list(group) for group in check.groups],
        }
        for check in report.checks
    ]
    left_out = [{"row": problem.row, "message": problem.message, "column": problem.column} for problem in report.left_out]
    counts = {"n_images": report.n_imported, "n_patients": report.n_patients}
    return {**counts, "remarks": remarks, "left_out": left_out, **report.to_fields()}


def is_clean(report: ImportReport) -> bool:
    """Whether nothing was left out and nothing needs a look: notes, and sentences that describe the source as a whole, do not count."""
    return not report.left_out and all(check.severity is Severity.NOTE or check.name == "source" for check in report.checks)
