"""Roles, and the one table of what each may see and do (`docs/people.md` shows it; a test compares the two)."""

from collections.abc import Collection, Mapping
from enum import StrEnum


class Role(StrEnum):
    """What somebody is in an installation; a person may have several."""

    VIEWER = "viewer"
    READER = "reader"
    RESEARCHER = "researcher"
    PRIVACY_OFFICER = "privacy officer"
    ADMINISTRATOR = "administrator"


class Action(StrEnum):
    """What can be allowed; values are words after "may", and are stored in the trail."""

    SEE_RESULTS = "see results"
    SEE_CASES = "see single cases"
    SEE_RUNS = "see training runs"
    SEE_EXPOSURE = "see how exposed patients are"
    SEE_OPERATIONS = "see how the server is doing"
    SEE_TRAIL = "see who did what"
    READ_CASES = "read cases of a reader study"
    PLAN_READINGS = "plan and end reader studies"
    UPLOAD_CASES = "upload a case"
    TRAIN = "train and cancel"
    PLAN = "write analysis plans"
    IMPORT = "import and remove cohorts"
    MEASURE = "measure exposure and audit"
    SET_CAP = "set the cap"
    RELEASE = "release models and aggregates"
    OPEN_REVIEWS = "open and close reviews"
    JOIN_REVIEWS = "comment and decide in reviews"
    MANAGE_PEOPLE = "grant and revoke roles"

    @property
    def is_looking(self) -> bool:
        """Whether it changes nothing: recorded once a session for each thing that is looked at."""
        return self.value.startswith("see ")


_EVERYBODY = frozenset(Role)
ALLOWED: Mapping[Action, frozenset[Role]] = {
    Action.SEE_RESULTS: _EVERYBODY,
    Action.SEE_CASES: frozenset({Role.READER, Role.RESEARCHER}),
    Action.SEE_RUNS: frozenset({Role.RESEARCHER, Role.PRIVACY_OFFICER, Role.ADMINISTRATOR}),
    Action.SEE_EXPOSURE: frozenset({Role.RESEARCHER, Role.PRIVACY_OFFICER}),
    Action.SEE_OPERATIONS: frozenset({Role.PRIVACY_OFFICER, Role.ADMINISTRATOR}),
    Action.SEE_TRAIL: frozenset({Role.PRIVACY_OFFICER, Role.ADMINISTRATOR}),
    Action.READ_CASES: frozenset({Role.READER, Role.RESEARCHER}),
    Action.PLAN_READINGS: frozenset({Role.RESEARCHER}),
    Action.UPLOAD_CASES: frozenset({Role.READER, Role.RESEARCHER}),
    Action.TRAIN: frozenset({Role.RESEARCHER}),
    Action.PLAN: frozenset({Role.RESEARCHER}),
    Action.IMPORT: frozenset({Role.RESEARCHER, Role.ADMINISTRATOR}),
    Action.MEASURE: frozenset({Role.PRIVACY_OFFICER}),
    Action.SET_CAP: frozenset({Role.PRIVACY_OFFICER}),
    Action.RELEASE: frozenset({Role.PRIVACY_OFFICER}),
    Action.OPEN_REVIEWS: frozenset({Role.RESEARCHER, Role.PRIVACY_OFFICER}),
    Action.JOIN_REVIEWS: _EVERYBODY,
    Action.MANAGE_PEOPLE: frozenset({Role.ADMINISTRATOR}),
}
"""Who may do what; what stands in no row nobody may do."""


def may(roles: Collection[Role], action: Action) -> bool:
    """Whether somebody with `roles` may do `action`."""
    return not ALLOWED.get(action, frozenset()).isdisjoint(roles)


def as_role(text: str) -> Role | None:
    """The role that a provider's claim or a person names, however it writes it (`DPMed-Privacy_Officer`); None where it names none."""
    words = text.strip().casefold().replace("_", " ").replace("-", " ").removeprefix("dpmed ").strip()
    return next((role for role in Role if role.value == words), None)
