"""Pages for people who sign on: who sees which page, what is offered to whom, and a role that is taken away while a page is open."""

import time

import pytest

from dpmed_core.people.roles import ALLOWED, Action, Role
from dpmed_core.settings import load_settings
from widgets.people.sign_on import PAGES

EVERY_PAGE = (
    "overview",
    "import_cohort",
    "train",
    "privacy_utility",
    "fairness",
    "meeting",
    "privacy",
    "cases",
    "review",
    "status",
    "people",
)
WHO = "ada@h.example"


@pytest.fixture
def signed_on(empty, open_page, monkeypatch):
    """Opens a page as somebody with these roles."""
    monkeypatch.setenv("DPMED_SIGN_ON", "1")
    load_settings.cache_clear()

    def open_as(page: str, *roles: Role, claims=None, **address):
        for role in roles:
            empty.directory.grant(WHO, role, by="a test")
        said = {"is_logged_in": True, "email": WHO, "email_verified": True, "iat": time.time() - 60} if claims is None else claims
        return open_page(page, user=said, **address)

    return open_as


def told(app) -> str:
    kinds = ("title", "header", "markdown", "caption", "info", "warning", "error")
    return "\n".join(str(element.value) for kind in kinds for element in getattr(app, kind)).replace("\\", "").replace("\u2060", "")


def refusal(app) -> str:
    return "\n".join(str(error.value) for error in app.error).replace("\\", "").replace("\u2060", "")


@pytest.mark.parametrize("role", [*Role, None], ids=lambda role: role.value if role else "no role")
def test_each_page_opens_for_those_who_may_and_is_refused_and_recorded_for_others(signed_on, empty, cohort, role):
    for page in EVERY_PAGE:
        app = signed_on(page, *([role] if role else []))
        assert not app.exception, page
        action = PAGES.get(page.removesuffix("_cohort"), Action.SEE_RESULTS)
        if role in ALLOWED[action]:
            assert not refusal(app), page
            assert app.title, page
        else:
            assert ("no role here" if role is None else f"You may not {action.value}") in refusal(app)
            assert not app.title
            last = empty.trail.last(1)[0]
            assert (last.who, last.action, last.allowed) == (WHO, action.value, False)


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"is_logged_in": False}, None),
        ({}, None),
        ({"is_logged_in": True, "email": WHO, "email_verified": False, "iat": time.time()}, "verified your e-mail"),
        ({"is_logged_in": True, "email": WHO, "iat": time.time() - 13 * 3600}, "Your sign-on is over"),
        ({"is_logged_in": True, "email": WHO}, "Your sign-on is over"),
        ({"is_logged_in": True, "sub": "7", "iat": time.time()}, "did not say who you are"),
    ],
)
def test_without_a_valid_sign_on_nothing_is_shown(signed_on, cohort, claims, said):
    app = signed_on("overview", Role.RESEARCHER, claims=claims)
    assert not app.exception
    assert cohort.name not in told(app)
    assert not app.sidebar.selectbox
    assert said is None or [b for b in app.sidebar.button if b.label == "Sign out"]
    assert (said is None and "Sign on to see" in told(app)) or said in refusal(app)


def test_a_role_that_is_taken_away_ends_what_an_open_page_does(signed_on, empty, cohort):
    app = signed_on("overview", Role.VIEWER)
    assert not refusal(app)
    empty.directory.revoke(WHO, None, by="a test")
    assert "no role here" in refusal(app.run())
    empty.directory.grant(WHO, Role.VIEWER, by="a test")
    assert not refusal(app.run())


def test_what_nobody_may_is_not_offered(signed_on, asked, finish):
    for spec in asked:
        finish(spec)
    app = signed_on("privacy", Role.VIEWER)
    assert "Your role does not show" in "".join(str(m.help or "") for m in app.markdown)
    assert not [b for b in app.button if b.label.startswith(("Measure", "Audit", "Record"))]
    app = signed_on("review", Role.VIEWER)
    assert "Open a review" not in told(app)
    app = signed_on("review", Role.RESEARCHER)
    assert "Open a review" in told(app)
    assert f"You write as: **{WHO}**" in told(app)
    assert list(app.selectbox(key="review-role").options) == ["researcher", "patient representative", "ethics committee", "management"]


def test_an_administrator_grants_and_revokes_and_everybody_sees_the_trail_who_may(signed_on, empty, cohort):
    app = signed_on("people", Role.ADMINISTRATOR)
    app.text_input[0].set_value(" Bea@H.example")
    role = next(box for box in app.selectbox if box.label == "Role")
    role.set_value("reader")
    next(b for b in app.button if b.label == "Grant").click().run()
    assert empty.directory.roles("bea@h.example") == {Role.READER}
    assert empty.directory.grants()[-1].by == WHO
    role = next(box for box in app.selectbox if box.label == "Role")
    app.text_input[0].set_value("bea@h.example")
    role.set_value("all roles")
    next(b for b in app.button if b.label == "Revoke").click().run()
    assert empty.directory.roles("bea@h.example") == frozenset()
    empty.directory.revoke(WHO, Role.ADMINISTRATOR, by="a test")
    app = signed_on("people", Role.PRIVACY_OFFICER)
    assert "grant and revoke roles" in "".join(frame.value.to_csv() for frame in app.dataframe)
    assert not [b for b in app.button if b.label == "Grant"]


def test_without_sign_on_the_page_says_so_and_is_not_in_the_menu(open_page, cohort):
    assert "Nobody signs on here" in told(open_page("people"))


def test_an_installation_that_cannot_be_opened_is_one_sentence(open_page, empty):
    (empty.settings.data_dir / "restoring.json").write_text("{}")
    app = open_page("overview")
    assert not app.exception
    assert "A restore into this data folder" in refusal(app)


def test_a_part_that_renews_itself_asks_for_what_its_page_needs(signed_on, empty, cohort, monkeypatch):
    app = signed_on("train", Role.RESEARCHER, Role.VIEWER)
    assert app.session_state["action-of-page"] == Action.SEE_RUNS
    assert signed_on("overview").session_state["action-of-page"] == Action.SEE_RESULTS
