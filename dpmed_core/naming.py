"""Names as clinicians write them."""

from dpmed_core.cohort.schema import Cohort

MACRO_TITLE = "Mean over findings"


def finding_title(finding: str) -> str:
    """A finding's column name in words: "pleural_effusion_right" is "Pleural effusion, right"."""
    if finding == "macro":
        return MACRO_TITLE
    for side in ("right", "left"):
        if finding.endswith(f"_{side}"):
            return f"{_words(finding.removesuffix(f'_{side}'))}, {side}"
    return _words(finding)


def attribute_title(attribute: str) -> str:
    """An attribute's column name in words: "copd" is "COPD"."""
    return {"copd": "COPD", "all": "Everybody"}.get(attribute, _words(attribute))


def subgroup_title(attribute: str, subgroup: str) -> str:
    """A subgroup in words: ("age", "60-69") is "60–69 years"."""
    if subgroup == "unknown":
        return "unknown"
    if attribute == "age":
        return f"{subgroup.replace('-', '–')} years"
    return subgroup


def version_alias(cohort: Cohort) -> str:
    """A short name for this version of the cohort's data; keyed, so that it proves nothing to whoever holds the same data."""
    return cohort.fingerprint[:6]


def _words(name: str) -> str:
    text = name.replace("_", " ").strip()
    return text[:1].upper() + text[1:]
