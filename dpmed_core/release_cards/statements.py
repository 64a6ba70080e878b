"""What only people can say of a released model; whatever nobody has said stays open on its cards, and is said to be open."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dpmed_core.errors import ExportError
from dpmed_core.foreign_text import plain_line, plain_paragraphs
from dpmed_core.review.records import checked_length

OPEN = "[More Information Needed]"
"""What stands where something is open: the words that the Hub's own template of a card uses."""
CURATOR_TYPES = ("Government", "Industry", "Nonprofit")
"""The kinds of publishers that the registry of deployments knows."""
QUESTIONS: Mapping[str, str] = {
    "developer": "Who developed the model?",
    "contact": "Whom may a reader ask?",
    "licence": "Under which licence do the weights leave, as the Hub names it?",
    "intended_use": "What is it for, and where in the clinical workflow?",
    "users": "Who is to use it?",
    "how_to_use": "How is it used, and what must a user know?",
    "population": "For which patients?",
    "out_of_scope": "Where must it not be used?",
    "clinical_risk": "What can go wrong for a patient, and how bad is it?",
    "ethics": "Which biases and ethical doubts are known?",
    "bias_mitigation": "What was done against bias?",
    "maintenance": "Who watches and renews it, and how?",
    "funding": "Who paid for it?",
    "stakeholders": "Who was asked: clinicians, patients, others?",
    "publications": "What was published of it?",
    "consent": "What do patients know of it, and to what have they agreed?",
    "region": "Of which region are the data, and under whose law?",
    "curator": "Who publishes the model?",
    "curator_type": f"What is the publisher: {', '.join(CURATOR_TYPES)}?",
    "registry_authors": "Who fills in the entry in the registry of deployments?",
    "justification": "Why were this budget, unit and recipe chosen, and who checked it?",
}
"""Each statement's name, with the question that it answers."""


@dataclass(frozen=True)
class Statements:
    """What people said.

    Attributes:
        said: text by the name of the statement; what is missing or blank is open.
    """

    said: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check names, lengths and the kind of publisher.

        Raises:
            ExportError: a name is not known, or the kind of publisher is none that the registry knows.
            ReviewError: a text is too long.
        """
        if unknown := sorted(set(self.said) - set(QUESTIONS)):
            raise ExportError(f"Cards have no statement {plain_line(unknown[0], most=60)!r}: they have {', '.join(QUESTIONS)}.")
        for name, text in self.said.items():
            checked_length(text, f"the statement {name}")
        if (kind := self.said.get("curator_type", "").strip()) and kind not in CURATOR_TYPES:
            raise ExportError(
                f"The registry knows no publisher of the kind {plain_line(kind, most=60)!r}: say {' or '.join(CURATOR_TYPES)}."
            )

    def text(self, name: str) -> str:
        """What was said, as Markdown that shows it as it is; or that it is open, with the question."""
        return plain_paragraphs(self.said.get(name, "")) or f"{OPEN} {QUESTIONS[name]}"

    def line(self, name: str) -> str:
        """What was said, in one line and not as Markdown; blank where it is open."""
        return plain_line(self.said.get(name, "")).strip()

    @property
    def open(self) -> list[str]:
        """The names of what nobody has said."""
        return [name for name in QUESTIONS if not self.line(name)]


def read_statements(path: Path) -> Statements:
    """The statements of a TOML file, as `statements_form` gives it to fill in.

    Raises:
        ExportError: it cannot be read, or holds something else than texts by the names of statements.
    """
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ExportError(f"The statements in {path.name} cannot be read as TOML: {plain_line(str(error), most=200)}.") from None
    if not all(isinstance(text, str) for text in said.values()):
        raise ExportError(f'The statements in {path.name} must be texts, each like developer = "...": `cards --form` prints all of them.')
    return Statements(said)


def statements_form() -> str:
    """A TOML file with every statement, blank, under its question."""
    return "\n".join(f'# {question}\n{name} = ""\n' for name, question in QUESTIONS.items())
