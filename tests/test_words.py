"""One word for one idea: the retired words in the last column of `docs/glossary.md` are used nowhere else."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GLOSSARY = ROOT / "docs" / "glossary.md"
EXEMPT = {GLOSSARY, ROOT / "CHANGELOG.md", Path(__file__)}
"""The glossary names what is retired, and the changelog tells users what was renamed."""

# The regular expression by which each retired word is found, in code, comments and documents alike, in capitals or not. A word with a
# second, legitimate sense is found in phrases and identifiers of the retired sense only; the comment above it names the sense that stays.
RETIRED = {
    "film": r"film",
    # A picture as such is fine: a file before it is known to be an image.
    "picture of a chest": r"pictures? of (?:a |the )?chest",
    # "The person who asked" is fine, and so are DICOM's PersonName and the glossary's person, who is one over all cohorts.
    "person": r"\bperson_id\b|\bn_persons\b|\bpersons? (?:in|of) (?:the )?(?:training|validation|test)\b",
    "wish": r"\bwish|(?-i:Wish)",
    "roster": r"roster",
    # "In place of", "in place" and the column "place" of a reader's answers are fine.
    "place": r"image[ _]places?\b|\bplaces? of (?:an? |the )?images?\b|(?-i:ImagePlace|StoredPlace)",
    "unlikeness": r"unlikeness",
    "strangeness": r"strangeness",
    # A bootstrap has replicates.
    "replicate": r"\b(?:run|training|seed)[ _]replicates?\b|\breplicates? of (?:a|the|each|every) (?:run|recipe|training)\b",
    "twin": r"(?<![a-z])twins?(?![a-z])",
    # JavaScript has `new Promise(...)`.
    "promise": r"(?<![a-z.])promise[sd]?\b(?!\()|\bpromising\b",
    "unit of protection": r"\bunits? of protection\b|\bprotection[ _]units?\b",
    "explored": r"(?<![a-z])explored\b",
    # "Family-wise", families of fonts and distributions, and the stored key and folder are fine.
    "family": r"\bfamily of\b|\bfamily book|(?-i:Family[A-Z]|\bFamily\b)|famil(?:y|ies)_dir",
    # Readers may be colour-blind.
    "blind reading": r"(?<!colour-)(?<!color-)\bblind[ _-]read(?:ing|er)",
    "exhibit": r"exhibit",
    # JavaScript has `dispatchEvent`, PyTorch `__torch_dispatch__`.
    "dispatch": r"(?<![a-z])(?<!torch_)(?<!python_)dispatch(?!event)",
    # The stored key "question" and its keyed hash are fine, and so are questions to a reader.
    "question": r"\bquestion(?:s_dir|_id|s? (?:is|are|was|were) answered)\b|(?-i:Questions?\()",
    "attendance": r"attendan(?:ce|t)",
    # A patient has cases of its own.
    "own case": r"(?<![a-z])own[ _-]case\b",
}
PHRASES = {
    "told apart": r"\btold apart\b|\btells? apart\b",
    "asked for before": r"\basked for before\b",
    "nothing to anyone": r"\bnothing to anyone\b",
}
"""What an engineer or a clinician would not say, without an entry of its own in the glossary."""


def retired_words() -> set[str]:
    """The words in the last column of the glossary's tables."""
    rows = re.findall(r"^\|[^|]+\|[^|]+\|[^|]*\|([^|]+)\|$", GLOSSARY.read_text(), re.M)
    return {word.strip() for row in rows for word in row.split(",")} - {"formerly", "---", ""}


def texts() -> Iterator[tuple[str, str]]:
    """Every Python file and document, as its name from the root and its name and content."""
    for path in sorted([*ROOT.rglob("*.py"), *ROOT.rglob("*.md")]):
        name = path.relative_to(ROOT)
        if path not in EXEMPT and not any(part.startswith(".") or part == "node_modules" for part in name.parts):
            yield name.as_posix(), f"{name.as_posix()}\n{path.read_text()}"


def test_every_retired_word_is_searched_for() -> None:
    assert retired_words() == set(RETIRED)


def test_retired_words_are_used_nowhere() -> None:
    found = []
    lines = [(name, number, line) for name, text in texts() for number, line in enumerate(text.splitlines())]
    for word, pattern in {**RETIRED, **PHRASES}.items():
        expression = re.compile(pattern, re.IGNORECASE)
        places = [f"{name}:{number}: {line.strip()[:100]}" for name, number, line in lines if expression.search(line)]
        found += [f"{word}: {len(places)} lines", *(f"    {place}" for place in places[:20])] if places else []
    assert not found, "\n".join(["retired words, see docs/glossary.md", *found])
