"""The glossary of pages: short, and of terms that pages and documents use."""

from pathlib import Path

from dpmed_core.reporting.wording.terms import TERMS

ROOT = Path(__file__).resolve().parents[3]


def test_each_term_is_explained_in_few_words_and_without_itself():
    for term, meaning in TERMS.items():
        assert len(meaning.split()) <= 40 and meaning.endswith("."), term
        assert not meaning.startswith(term), term


def test_each_term_is_used_on_pages_or_in_figures():
    sources = [*ROOT.glob("pages/*.py"), *ROOT.glob("widgets/**/*.py"), *ROOT.glob("dpmed_core/reporting/**/*.py")]
    text = " ".join(path.read_text() for path in sources if path.name != "terms.py").lower()
    for term in TERMS:
        assert all(part.lower() in text for part in term.split(", ")), term
