"""Which findings begin at a start, and what refuses it."""

import pytest

from dpmed_core.errors import SpecError
from dpmed_core.imaging.modality import Modality
from dpmed_core.training.starts.choosing import choose_start, in_words, parse_map, refuse_overlap, suggested
from dpmed_core.training.starts.seen import Seen, seen_of
from dpmed_core.training.starts.start_card import StartCard


@pytest.fixture
def card():
    return StartCard(
        name="elsewhere",
        modality=Modality.RADIOGRAPH,
        source="a public set",
        licence="CC0",
        synthetic=False,
        findings=("Effusion", "pneumonia"),
        auroc=(0.8, 0.7),
        n_positive=(20, 30),
        n_patients=50,
        n_images=100,
        patients_known=True,
        encoder="e" * 64,
        digest="d" * 64,
    )


@pytest.fixture
def cohort(make_cohort):
    return make_cohort(side=4)[0]  # findings effusion and mass


def test_findings_of_one_name_are_suggested_and_nothing_else(card, cohort):
    assert suggested(cohort.findings, card) == {"effusion": "Effusion"}


def test_a_choice_names_start_digest_and_pairs(card, cohort):
    chosen = choose_start(card, cohort, {"mass": "pneumonia", "effusion": "Effusion"}, recipe="probe", encoder="e" * 64)
    assert chosen.findings == (("effusion", "Effusion"), ("mass", "pneumonia")) and chosen.digest == card.digest
    assert in_words(chosen, cohort.findings) == "From start elsewhere: effusion (from Effusion), mass (from pneumonia)."
    chosen = choose_start(card, cohort, {"mass": "pneumonia", "effusion": ""}, recipe="probe", encoder="e" * 64)
    assert in_words(chosen, cohort.findings) == "From start elsewhere: mass (from pneumonia). From scratch: effusion."


@pytest.mark.parametrize(
    ("given", "encoder", "message"),
    [
        ({}, "e", "No finding of cohort 'tiny' begins"),
        ({"mass": ""}, "e", "No finding of cohort 'tiny' begins"),
        ({"masse": "pneumonia"}, "e", "has no finding 'masse'"),
        ({"mass": "pneumonie"}, "e", "has no finding 'pneumonie'"),
        ({"mass": "pneumonia"}, "f", "another version of the public encoder"),
    ],
)
def test_what_does_not_fit_is_refused(card, cohort, given, encoder, message):
    with pytest.raises(SpecError, match=message):
        choose_start(card, cohort, given, recipe="probe", encoder=encoder * 64)


def test_a_map_is_read_and_refused_where_it_is_none():
    assert parse_map(["pneumonia=mass", "=effusion", "a=b=c"]) == {"mass": "pneumonia", "effusion": "", "b=c": "a"}
    for pairs in (["pneumonia"], ["pneumonia="], ["a=mass", "b=mass"]):
        with pytest.raises(SpecError, match="--map"):
            parse_map(pairs)


def test_images_or_patients_of_both_refuse_a_start(card):
    key = b"k" * 32
    of_start = seen_of([b"1", b"2"], ["anna", "ben"], key=key)
    refuse_overlap(card, of_start, seen_of([b"3"], ["carl"], key=key))
    with pytest.raises(SpecError, match="was trained on 1 image of this cohort"):
        refuse_overlap(card, of_start, seen_of([b"2", b"3"], ["carl"], key=key))
    with pytest.raises(SpecError, match="was trained on 2 patients with an identifier"):
        refuse_overlap(card, of_start, seen_of([b"3"], ["ben", "anna"], key=key))
    assert of_start.images.isdisjoint(seen_of([b"1"], [], key=b"l" * 32).images), "the hashes are keyed"
    assert isinstance(of_start, Seen)
