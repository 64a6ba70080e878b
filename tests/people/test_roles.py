"""Roles, claims, the directory and the trail by themselves."""

import time
from pathlib import Path

import pytest

from dpmed_core.database import Database
from dpmed_core.errors import NotAllowedError
from dpmed_core.people.actor import ACCOUNT, Actor
from dpmed_core.people.directory import Directory, role_grants
from dpmed_core.people.identity import Identity, identity_of, who_of
from dpmed_core.people.roles import ALLOWED, Action, Role, as_role, may
from dpmed_core.people.signed_on import SignedOn, actor_of
from dpmed_core.people.trail import Trail
from tests.foreign_strings import foreign_strings

DOCS = Path(__file__).resolve().parents[2] / "docs" / "people.md"


@pytest.fixture
def database(tmp_path, new_settings):
    return Database(new_settings(tmp_path))


def test_the_documents_show_the_table_that_is_enforced():
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in DOCS.read_text().splitlines() if line.startswith("| ")]
    header = next(line for line in lines if line[0] == "may")
    rows = {line[0]: line[1:] for line in lines[lines.index(header) + 1 :]}
    assert header[1:] == [role.value for role in Role]
    for action in Action:
        said = {role for role, cell in zip(Role, rows[action.value], strict=True) if cell == "yes"}
        assert said == ALLOWED[action], action


def test_nobody_may_do_what_stands_in_no_row():
    assert not may([], Action.SEE_RESULTS)
    assert set(ALLOWED) == set(Action)
    assert all(ALLOWED.values())


@pytest.mark.parametrize(
    ("text", "role"),
    [
        ("reader", Role.READER),
        ("DPMed-Privacy_Officer", Role.PRIVACY_OFFICER),
        (" Administrator ", Role.ADMINISTRATOR),
        ("dpmed_researcher", Role.RESEARCHER),
        ("admin", None),
        ("", None),
        ("superreader", None),
    ],
)
def test_roles_as_providers_write_them(text, role):
    assert as_role(text) is role


def test_claims_of_a_provider():
    claims = {"email": " Ada@H.example", "email_verified": True, "groups": ["staff", "dpmed-reader", 7], "iat": 5}
    assert identity_of(claims, identity_claim="email", role_claim="groups") == Identity("ada@h.example", frozenset({Role.READER}), 5.0)
    assert identity_of({**claims, "iat": 10**400, "email_verified": "True"}, identity_claim="email", role_claim=None).signed_on_at == 0
    assert identity_of({"sub": "7", "groups": "viewer, reader"}, identity_claim="sub", role_claim="groups").claimed == {
        Role.VIEWER,
        Role.READER,
    }
    for wrong in (
        {"email": "a@b", "email_verified": False},
        {"email": "a@b", "email_verified": None},
        {"email": "a@b", "email_verified": "no"},
        {"email": ""},
        {"email": 7},
        {},
        {"email": "a\nb"},
        {"email": "a" * 201},
    ):
        with pytest.raises(NotAllowedError):
            identity_of(wrong, identity_claim="email", role_claim=None)


@pytest.mark.parametrize("text", [*foreign_strings(60), "ﬁ@H", "İ@x", "ß", "\u200b", "a\x00b"])
def test_a_person_has_one_form_of_name(text):
    try:
        who = who_of(text)
    except NotAllowedError:
        return
    assert who_of(who) == who
    assert who.isprintable()


def test_the_last_word_on_a_role_counts(database):
    directory = Directory(database)
    directory.grant("Ada@h.example", Role.READER, by="x", reason="ward 3")
    directory.grant("ada@h.example ", Role.VIEWER, by="x")
    assert directory.roles("ada@h.example") == {Role.READER, Role.VIEWER}
    directory.revoke("ADA@h.example", Role.READER, by="x")
    assert directory.roles("ada@h.example", [Role.READER, Role.RESEARCHER]) == {Role.VIEWER, Role.RESEARCHER}
    directory.revoke("ada@h.example", None, by="x")
    assert directory.roles("ada@h.example", [Role.READER]) == frozenset()
    directory.grant("ada@h.example", Role.READER, by="x")
    assert directory.people() == {"ada@h.example": {Role.READER}}
    assert [(entry.role, entry.granted) for entry in directory.grants()][-2:] == [(None, False), (Role.READER, True)]


def test_a_sign_on_ends_in_time(database):
    Directory(database).grant("ada", Role.VIEWER, by="x")
    for age, holds in ((0, True), (3600, True), (3601, False), (-200, True), (-400, False)):
        access = SignedOn(
            Identity("ada", frozenset(), 10_000.0 - age), Directory(database), Trail(database), 3600.0, set(), lambda: 10_000.0
        )
        assert actor_of(access).may(Action.SEE_RESULTS) is holds
    without_time = SignedOn(Identity("ada", frozenset(), 0.0), Directory(database), Trail(database), 3600.0, set())
    assert not actor_of(without_time).may(Action.SEE_RESULTS)


def test_the_trail_holds_what_was_done_and_once_what_was_looked_at(database):
    Directory(database).grant("ada", Role.PRIVACY_OFFICER, by="x")
    ada = actor_of(SignedOn(Identity("ada", frozenset(), 50.0), Directory(database), Trail(database), 3600.0, set(), lambda: 60.0))
    for _ in range(3):
        ada.require(Action.SEE_RESULTS, "chest")
        ada.require(Action.SET_CAP)
        with pytest.raises(NotAllowedError, match="role researcher"):
            ada.require(Action.TRAIN, "chest")
        ada.admit(Action.SEE_OPERATIONS)
    found = [(act.action, act.about, act.allowed) for act in reversed(Trail(database).last(99))]
    cap, train = ("set the cap", "", True), ("train and cancel", "chest", False)
    assert found == [("see results", "chest", True), cap, train, cap, train, cap, train]
    assert Trail(database).last(99, who="bea") == []


def test_the_account_itself_may_do_everything_and_leaves_no_trace():
    ACCOUNT.require(Action.MANAGE_PEOPLE)
    assert (ACCOUNT.roles(), ACCOUNT.signs_as("Dr Grey"), Actor("ada").signs_as("Dr Grey")) == (frozenset(Role), "Dr Grey", "ada")


def test_names_that_a_provider_tells_apart_stay_apart():
    assert who_of("aB3x") != who_of("Ab3X")
    assert len({who_of(name) for name in ("strauß@h", "strauss@h", "ａda@h", "ada@h")}) == 4
    assert who_of("Ada@H") == who_of(" ada@h")


def test_signing_out_ends_every_sign_on_up_to_then(database):
    Directory(database).grant("ada", Role.VIEWER, by="x")
    now = time.time()
    here, there = (
        actor_of(SignedOn(Identity("ada", frozenset(), now - 60), Directory(database), Trail(database), 3600.0, set())) for _ in range(2)
    )
    assert here.may(Action.SEE_RESULTS)
    here.sign_out()
    with pytest.raises(NotAllowedError, match="sign-on is over"):
        there.require(Action.SEE_RESULTS)
    again = SignedOn(Identity("ada", frozenset(), now + 1), Directory(database), Trail(database), 3600.0, set())
    assert actor_of(again).may(Action.SEE_RESULTS)


def test_a_role_of_a_later_version_is_passed_over(database):
    directory = Directory(database)
    directory.grant("ada", Role.VIEWER, by="x")
    with database.transaction() as connection:
        row = {"at": 1.0, "who": "ada", "role": "king", "granted": True, "by": "x", "reason": ""}
        connection.execute(role_grants.insert().values(row))
    assert directory.roles("ada") == {Role.VIEWER}
    assert [grant.role for grant in directory.grants()] == [Role.VIEWER]


def test_a_reason_from_a_terminal_may_be_cut_in_the_middle_of_a_character(database):
    Directory(database).grant("ada", Role.VIEWER, by="x", reason="\udcff")
    assert Directory(database).grants()[0].reason == "?"
