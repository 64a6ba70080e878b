"""Which session gets which pixels, and which gets none."""

import json
import logging

import numpy as np
import pandas as pd
import pytest
from starlette.applications import Starlette

from dpmed_core.cohort.case_links import case_links
from dpmed_core.cohort.report import ImportReport
from dpmed_core.cohort.schema import Part
from dpmed_core.cohort.split import assign_parts
from dpmed_core.imaging.modality import Modality
from dpmed_core.installation import Installation
from dpmed_core.settings import Settings
from widgets.browser_programs import VIEWER
from widgets.viewer import routes
from widgets.viewer import sessions as running
from widgets.viewer.access import LIFETIME_SECONDS, InMemoryImages, PixelTokens
from widgets.viewer.cohort_images import CohortImages

PARTS = ["train", "validation", "test", "test"]


class Clock:
    """A clock that a test sets."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def sessions():
    """The active sessions."""
    return {"alice", "bob"}


@pytest.fixture
def tokens(clock, sessions, monkeypatch):
    held = PixelTokens(is_active=lambda session_id: session_id in sessions, clock=clock)
    monkeypatch.setattr(routes, "pixel_tokens", lambda: held)
    return held


@pytest.fixture
def client(tokens, client_of):
    return client_of(Starlette(routes=[routes.PIXEL_ROUTE, VIEWER.route()]))


@pytest.fixture
def installation(data_dir):
    return Installation.open(Settings(data_dir=data_dir))


@pytest.fixture
def cohort(installation):
    """Four CT volumes of 2 x 3 x 4 voxels; every patient in another part, two of them in the test part."""
    volumes = np.random.default_rng(0).integers(-1024, 3071, (4, 2, 3, 4), dtype=np.int16)
    cases = pd.DataFrame(
        {
            "case_id": [f"{i:016x}" for i in range(4)],
            "patient_id": [f"{i:016x}" for i in range(4)],
            "age": 50.0,
            "sex": "female",
            "split": PARTS,
            "lesion": 1.0,
        }
    )
    return installation.cohorts.write(
        "scans",
        modality=Modality.CT,
        synthetic=True,
        findings=("lesion",),
        comorbidities=(),
        cases=cases,
        images=volumes,
        report=ImportReport(4, 4, 4, 0, 0),
    )


@pytest.fixture
def images(cohort, installation):
    """The images of the test part."""
    split = assign_parts(cohort, seed=0, key=installation.key)
    return CohortImages(cohort, case_links(cohort, installation.key), split, Part.TEST, installation)


def n_tokens(tokens):
    return len(tokens._by_token)


def ask(client, link, token=None):
    return client.get(f"/{routes.PIXEL_PATH}/{link}", headers={} if token is None else {routes.TOKEN_HEADER: token})


def test_a_session_gets_the_stored_pixels_and_no_copy_is_kept(client, tokens, images, cohort):
    token = tokens.token("alice", images)
    answer = ask(client, images.links.links[2], token)
    assert answer.status_code == 200
    np.testing.assert_array_equal(np.frombuffer(answer.content, "<i2").reshape(2, 3, 4), cohort.images[2])
    assert answer.headers["cache-control"] == "no-store" and answer.headers["x-content-type-options"] == "nosniff"
    assert "set-cookie" not in answer.headers and "etag" not in answer.headers


@pytest.mark.parametrize("token", [None, "", "x" * 43, "../../etc/passwd"])
def test_without_a_valid_token_nothing_is_told(token, client, tokens, images):
    tokens.token("alice", images)
    for link in (images.links.links[2], images.links.links[0], "0" * 16):
        answer = ask(client, link, token)
        assert (answer.status_code, answer.content) == (403, b"")


def test_a_token_in_the_address_does_not_count(client, tokens, images):
    token = tokens.token("alice", images)
    assert client.get(f"/{routes.PIXEL_PATH}/{images.links.links[2]}?{routes.TOKEN_HEADER}={token}").status_code == 403


def test_a_token_opens_its_own_part_only(client, tokens, images):
    token = tokens.token("alice", images)
    for row, part in enumerate(PARTS):
        assert ask(client, images.links.links[row], token).status_code == (200 if part == "test" else 404)


def test_a_token_opens_the_images_of_its_own_session_only(client, tokens, images):
    uploaded = InMemoryImages("upload", {"a" * 16: np.zeros((2, 2), np.uint8)})
    alice, bob = tokens.token("alice", images), tokens.token("bob", uploaded)
    assert alice != bob
    assert ask(client, "a" * 16, bob).status_code == 200 and ask(client, "a" * 16, alice).status_code == 404
    assert ask(client, images.links.links[2], bob).status_code == 404


def test_a_token_ends_with_its_session(client, tokens, images, sessions):
    token = tokens.token("alice", images)
    sessions.remove("alice")
    assert ask(client, images.links.links[2], token).status_code == 403


def test_a_token_expires_unless_the_page_is_used(client, tokens, images, clock):
    token = tokens.token("alice", images)
    clock.now += LIFETIME_SECONDS - 1
    assert ask(client, images.links.links[2], token).status_code == 200
    assert tokens.token("alice", images) == token
    clock.now += LIFETIME_SECONDS - 1
    assert ask(client, images.links.links[2], token).status_code == 200
    clock.now += 2
    assert ask(client, images.links.links[2], token).status_code == 403
    assert tokens.token("alice", images) != token
    assert n_tokens(tokens) == 1


def test_ended_sessions_leave_nothing_behind(tokens, images, sessions):
    tokens.token("alice", images)
    tokens.token("bob", images)
    sessions.remove("alice")
    tokens.purge()
    assert n_tokens(tokens) == 1


def test_another_image_under_the_same_name_replaces_the_first(client, tokens):
    first, second = (InMemoryImages("upload", {letter * 16: np.zeros((2, 2), np.uint8)}) for letter in "ab")
    token = tokens.token("alice", first)
    assert tokens.token("alice", second) == token
    assert ask(client, "b" * 16, token).status_code == 200 and ask(client, "a" * 16, token).status_code == 404
    assert n_tokens(tokens) == 1


def test_tokens_cannot_be_guessed_from_each_other(tokens, images, sessions):
    sessions.update(f"session-{number}" for number in range(200))
    made = {tokens.token(f"session-{number}", images) for number in range(200)}
    assert len(made) == 200 and min(map(len, made)) >= 43


@pytest.mark.parametrize(
    "link", ["..%2F..%2Fsecret.key", "%2e%2e", "....", "%00", "a" * 4096, "0" * 15, "0" * 17, "%EF%BC%A1" * 16, "-" * 16, "%2Fetc%2Fpasswd"]
)
def test_odd_links_open_nothing(link, client, tokens, images):
    answer = ask(client, link, tokens.token("alice", images))
    assert answer.status_code == 404


def test_other_methods_are_refused(client, tokens, images):
    token = tokens.token("alice", images)
    for method in ("POST", "PUT", "DELETE"):
        answer = client.request(method, f"/{routes.PIXEL_PATH}/{images.links.links[2]}", headers={routes.TOKEN_HEADER: token})
        assert answer.status_code == 405


def test_a_removed_cohort_is_not_shown_from_memory(client, tokens, images, installation):
    token = tokens.token("alice", images)
    assert ask(client, images.links.links[2], token).status_code == 200
    installation.remove_cohort("scans")
    assert ask(client, images.links.links[2], token).status_code == 404


def test_nothing_of_a_case_or_a_token_is_logged(client, tokens, images, caplog):
    token = tokens.token("alice", images)
    with caplog.at_level(logging.DEBUG):
        ask(client, images.links.links[2], token)
        ask(client, "0" * 16, token)
    said = "\n".join(record.getMessage() for record in caplog.records)
    assert token not in said and images.links.links[2] not in said


def test_the_program_contacts_no_other_host():
    assert not any(forbidden in VIEWER.text for forbidden in (b"http://", b"https://", b"eval("))


def test_the_lock_file_names_no_registry():
    lock = json.loads((VIEWER.files[0].parents[3] / "viewer" / "package-lock.json").read_text())
    assert lock["packages"] and not any("resolved" in package for package in lock["packages"].values())


def test_the_servers_own_tokens_are_one_for_all_pages():
    assert running.pixel_tokens() is running.pixel_tokens()
    assert running.pixel_tokens().find(running.pixel_tokens().token("nobody's", InMemoryImages("none", {}))) is None


def test_links_differ_between_installations_and_versions(cohort, installation):
    own = case_links(cohort, installation.key).links
    assert len(set(own)) == len(own) and all(len(link) == routes.LINK_LENGTH for link in own)
    assert not set(own) & set(case_links(cohort, b"x" * 32).links)
    assert not set(own) & set(cohort.cases["case_id"])
