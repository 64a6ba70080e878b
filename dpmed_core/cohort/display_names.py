"""Names of findings, attributes and subgroups as clinicians write them."""

from dataclasses import dataclass

from dpmed_core.cohort.groups import BESIDE, TOGETHER
from dpmed_core.cohort.schema import Cohort
from dpmed_core.foreign_text import LONGEST_NAME, plain_line
from dpmed_core.imaging.modality import Modality
from dpmed_core.phrases import counted

MACRO_TITLE = "Mean over findings"
EVERYONE = "All patients"
ABBREVIATIONS = {
    **{
        name: name.upper()
        for name in (
            "copd",
            "pdac",
            "ards",
            "hiv",
            "ckd",
            "chf",
            "cad",
            "ild",
            "nsclc",
            "sclc",
            "tb",
            "rsv",
            "icu",
            "bmi",
            "mi",
            "ap",
            "pa",
        )
    },
    **dict.fromkeys(("covid", "covid19", "covid-19"), "COVID-19"),
}
"""Names of diseases and views that are written in capitals, as a column's whole name or one of its words."""
SPELLED_OUT = {"pdac": "Pancreatic ductal adenocarcinoma (PDAC)", "copd": "Chronic obstructive pulmonary disease (COPD)"}


@dataclass(frozen=True)
class ImageWords:
    """The noun for an image of a modality, in singular and plural."""

    one: str
    several: str

    def counted(self, count: int) -> str:
        """A count of images, e.g. "1 image", "2,000 scans"."""
        return counted(count, self.one, self.several)


IMAGE_WORDS = {Modality.RADIOGRAPH: ImageWords("image", "images"), Modality.CT: ImageWords("scan", "scans")}


def finding_title(finding: str) -> str:
    """A finding's column name in words: "pleural_effusion_right" is "Pleural effusion, right", "pdac" is "PDAC"."""
    if finding == "macro":
        return MACRO_TITLE
    for side in ("right", "left"):
        if finding.endswith(f"_{side}"):
            return f"{_words(finding.removesuffix(f'_{side}'))}, {side}"
    return _words(finding)


def finding_phrase(finding: str) -> str:
    """A finding's name within a sentence: "pleural_effusion_right" is "right-sided pleural effusion"."""
    for side in ("right", "left"):
        if finding.endswith(f"_{side}"):
            return f"{side}-sided {within_sentence(_words(finding.removesuffix(f'_{side}')))}"
    return within_sentence(column_title(finding))


def spelled_out(name: str) -> str:
    """A finding's or co-morbidity's full name for its first mention: "pdac" is "Pancreatic ductal adenocarcinoma (PDAC)"."""
    return SPELLED_OUT.get(name) or column_title(name)


def attribute_title(attribute: str) -> str:
    """An attribute in words: "copd" is "COPD", "sex*age" is "Sex and age", "age:40/65" is "Age, cut at 40 and 65"."""
    if TOGETHER in attribute:
        first, second = attribute.split(TOGETHER, 1)
        return f"{attribute_title(first)} and {attribute_phrase(second)}"
    column, _, bands = attribute.partition(":")
    if bands and column == "age":
        return "Age quartiles" if bands == "quartiles" else f"Age, cut at {' and '.join(bands.split('/'))}"
    return {"all": EVERYONE}.get(attribute, _words(attribute))


def attribute_phrase(attribute: str) -> str:
    """An attribute's name within a sentence: "age", "heart failure", "COPD"."""
    return within_sentence(attribute_title(attribute))


def column_title(name: str) -> str:
    """A finding's or a co-morbidity's column name in words."""
    return attribute_title(name) if attribute_title(name).isupper() else finding_title(name)


def subgroup_title(attribute: str, subgroup: str) -> str:
    """A subgroup in words: ("age", "60-69") is "60–69 years", ("copd", "with") "With COPD"."""
    if attribute == "all":
        return EVERYONE
    if subgroup == "unknown":
        return "Unknown"
    if TOGETHER in attribute and BESIDE in subgroup:  # a co-morbidity of such a name has the subgroups of any other
        titles = [subgroup_title(*part) for part in zip(attribute.split(TOGETHER, 1), subgroup.split(BESIDE, 1), strict=True)]
        return f"{titles[0]}, {within_sentence(titles[1])}"
    if attribute.partition(":")[0] == "age":
        return f"{subgroup.replace('-', '–').capitalize()} years"
    if subgroup in ("with", "without"):
        return f"{subgroup.capitalize()} {attribute_phrase(attribute)}"
    return _words(subgroup)


def version_alias(cohort: Cohort) -> str:
    """A short name for this version of the cohort's data; keyed, so that holding the same data does not prove that it was used."""
    return cohort.fingerprint[:6]


def sentence_start(text: str) -> str:
    """`text` with a capital first letter, otherwise unchanged."""
    return text[:1].upper() + text[1:]


def _words(name: str) -> str:
    """A column's name in words, capitalised, in one line of bounded length: "heart_failure" is "Heart failure", "copd" is "COPD"."""
    words = plain_line(name, most=LONGEST_NAME).replace("covid_19", "covid19").split("_")
    return sentence_start(" ".join(ABBREVIATIONS.get(word.lower(), word) for word in words).strip())


def within_sentence(title: str) -> str:
    """`title` with a lower-case first letter, unless its first word is an abbreviation."""
    return title if title[1:2].isupper() else title[:1].lower() + title[1:]
