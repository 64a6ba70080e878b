"""Remarks about rows that were read, though not as they stand: what was assumed, for the import report."""

from dpmed_core.cohort.sources.cells import AGE_AT_LEAST, AGE_IS_A_DATE, AGE_UNREADABLE, ORDER_UNREADABLE, SEX_UNREADABLE
from dpmed_core.cohort.sources.image_folder import FOREIGN_PATH, OTHER_WRITING
from dpmed_core.imaging.dicom.ages import MAX_AGE_YEARS
from dpmed_core.phrases import counted

ROW_REMARKS = {
    AGE_AT_LEAST: (
        "age is given as a least age, such as 89+, and counts as that age: the patient may be older.",
        "ages are given as least ages, such as 89+, and count as these ages: the patients may be older.",
    ),
    AGE_IS_A_DATE: (
        "age is written as a date and counts as unknown; the image is kept.",
        "ages are written as dates and count as unknown; the images are kept.",
    ),
    AGE_UNREADABLE: (
        f"age is not one from 0 to {MAX_AGE_YEARS} years and counts as unknown; the image is kept.",
        f"ages are not from 0 to {MAX_AGE_YEARS} years and count as unknown; the images are kept.",
    ),
    SEX_UNREADABLE: (
        "sex is none of F, M and other and counts as unknown; the image is kept.",
        "sexes are none of F, M and other and count as unknown; the images are kept.",
    ),
    ORDER_UNREADABLE: (
        "study order is neither a number nor a date with the year first, such as 1900-02-14, and counts as unknown; the image is kept.",
        "study orders are neither numbers nor dates with the year first, such as 1900-02-14, and count as unknown; the images are kept.",
    ),
    FOREIGN_PATH: (
        "image path names a drive or network share of another computer; what follows its folder was read from the folder of images.",
        "image paths name a drive or network share of another computer; what follows its folder was read from the folder of images.",
    ),
    OTHER_WRITING: (
        "image path was found in another writing (backslashes, capital letters, or another form of accented letters).",
        "image paths were found in another writing (backslashes, capital letters, or another form of accented letters).",
    ),
}
"""Name of a remark, which is that of its check in the report -> what follows the number of rows, of one and of several."""


def remark_sentence(name: str, count: int) -> str:
    """The sentence of the remark `name` about `count` rows.

    >>> remark_sentence("ages_are_dates", 1)
    '1 age is written as a date and counts as unknown; the image is kept.'
    """
    return counted(count, *ROW_REMARKS[name])
