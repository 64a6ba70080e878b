"""The numbers of a cohort's images and patients on a page.

Of the training part only the number of patients is public (`docs/privacy.md`). Its images, findings and subgroups are exact counts that no
guarantee covers: they, and totals that would give them away, are shown of synthetic cohorts, or where the installation allows it.
"""

import pandas as pd
import streamlit as st

from dpmed_core.cohort.display_names import IMAGE_WORDS, attribute_title, spelled_out, subgroup_title, version_alias
from dpmed_core.cohort.schema import Cohort
from dpmed_core.cohort.summary import ALL_PARTS, HELD_OUT, share_positive
from dpmed_core.foreign_text import plain
from widgets.cached import MOST_KEPT
from widgets.html_numbers import Number, show_numbers
from widgets.html_table import frame_as_html
from widgets.lookup import installation


def shows_training_counts(cohort: Cohort) -> bool:
    """Whether exact counts of the training part may be shown."""
    return cohort.synthetic or installation().settings.show_training_counts


def show_parts(cohort: Cohort, counts: pd.DataFrame) -> None:
    """The number of images and patients in each part."""
    words = IMAGE_WORDS[cohort.modality]
    whole = counts[counts["attribute"] == "all"].set_index("part")
    numbers = []
    for part in ALL_PARTS:
        row = whole.loc[part]
        images = words.counted(row["n_cases"])
        with_images = part in HELD_OUT or shows_training_counts(cohort)
        if cohort.patients_known:
            numbers.append(Number(part.capitalize(), f"{row['n_patients']:,} patients", images if with_images else ""))
        else:  # each image is a unit of privacy, and the number of units is public
            numbers.append(Number(part.capitalize(), images, "patients not known"))
    show_numbers(numbers)
    split = "the source's own split" if cohort.has_own_split else "patients assigned to the parts by a keyed hash"
    name = plain(cohort.name)
    st.caption(f"Cohort {name}, version {version_alias(cohort)}; {split}. Validation and test patients are outside the privacy guarantee.")
    if not shows_training_counts(cohort):
        st.caption(
            f"Findings and subgroups are counted in held-out {words.several}, those of validation and test patients: the privacy guarantee "
            "does not cover exact counts of training images. `DPMED_SHOW_TRAINING_COUNTS=1` shows them; the import report, which stays "
            "with whoever imports, holds them."
        )


def show_findings(cohort: Cohort, counts: pd.DataFrame) -> None:
    """The number of positive images of each finding in each part, and their share."""
    images = IMAGE_WORDS[cohort.modality].several
    st.header(f"Findings: {images} in which each is present")
    if not cohort.findings:
        st.info("This cohort has no findings, so no model can be trained on it. Import it again with a table of labels.")
        return
    st.html(_findings_as_html(cohort.fingerprint, shows_training_counts(cohort), cohort, counts))


@st.cache_data(max_entries=MOST_KEPT, show_spinner=False)
def _findings_as_html(fingerprint: str, with_training: bool, _cohort: Cohort, _counts: pd.DataFrame) -> str:
    del fingerprint  # key of the cache
    cohort, counts, images = _cohort, _counts, IMAGE_WORDS[_cohort.modality].several
    parts, of_what = (ALL_PARTS, "all") if with_training else (HELD_OUT, "held-out")
    whole = counts[counts["attribute"] == "all"].set_index("part").loc[list(parts), list(cohort.findings)].T
    shares = share_positive(counts, cohort.findings, parts)
    table = pd.DataFrame(
        {
            "Finding": [spelled_out(finding) for finding in whole.index],
            **{f"{part} {images}".capitalize(): whole[part].to_numpy(dtype=int) for part in parts},
            f"Share of {of_what} {images}": ["" if pd.isna(share) else f"{100 * share:.0f} %" for share in shares],
        }
    )
    return frame_as_html(table, f"Findings: {images} in which each is present")


def show_patients(cohort: Cohort, counts: pd.DataFrame) -> None:
    """The number of images and patients by sex, age and co-morbidity; subgroups without a counted image are left out."""
    st.header("Patients")
    st.html(_patients_as_html(cohort.fingerprint, shows_training_counts(cohort), cohort, counts))


@st.cache_data(max_entries=MOST_KEPT, show_spinner=False)
def _patients_as_html(fingerprint: str, with_training: bool, _cohort: Cohort, _counts: pd.DataFrame) -> str:
    del fingerprint
    counts, images = _counts, IMAGE_WORDS[_cohort.modality].several
    parts = ("all", "test") if with_training else HELD_OUT
    groups = counts[(counts["attribute"] != "all") & counts["part"].isin(parts)]
    table = groups.pivot_table(index=["attribute", "subgroup"], columns="part", values=["n_cases", "n_patients"], sort=False)
    table = table[(table["n_cases"] > 0).any(axis=1)]
    named = {
        "Attribute": [attribute_title(attribute) for attribute, _ in table.index],
        "Subgroup": [subgroup_title(attribute, subgroup) for attribute, subgroup in table.index],
    }
    for part in parts:
        for column, noun in (("n_cases", images), ("n_patients", "patients")):
            named[(noun if part == "all" else f"{part} {noun}").capitalize()] = table[(column, part)].astype(int).to_list()
    return frame_as_html(pd.DataFrame(named), "Patients by subgroup")
