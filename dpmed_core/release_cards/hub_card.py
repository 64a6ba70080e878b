"""The model card by the Hub's conventions: Markdown under YAML metadata with a model-index, and the same as JSON.

Source: Hugging Face, "Model Cards" and the specification of their metadata, https://github.com/huggingface/hub-docs/blob/main/modelcard.md;
headings as in https://huggingface.co/docs/hub/model-card-annotated.
"""

import json
from collections.abc import Iterator

from dpmed_core.cohort.display_names import finding_title, version_alias
from dpmed_core.evaluation.scores.findings import MACRO
from dpmed_core.foreign_text import plain_line
from dpmed_core.release_cards import words
from dpmed_core.release_cards.facts import CardFacts
from dpmed_core.release_cards.yaml_text import yaml_text

Section = tuple[int, str, str]
"""Level and words of a heading, and what stands under it."""


def hub_markdown(facts: CardFacts) -> str:
    """The card as README.md."""
    sections = "".join(f"\n{'#' * level} {heading}\n" + (f"\n{text}\n" if text else "") for level, heading, text in _sections(facts))
    return f"---\n{yaml_text(metadata(facts))}---\n{sections}"


def hub_json(facts: CardFacts) -> str:
    """The same card as one JSON document."""
    sections = [{"level": level, "heading": heading, "text": text} for level, heading, text in _sections(facts)]
    document = {"model_id": words.model_id(facts), "metadata": metadata(facts), "sections": sections}
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)


def metadata(facts: CardFacts) -> dict[str, object]:
    """What the Hub reads: licence where people said one, tags, and what the model reaches, a result a finding."""
    licence, results = facts.statements.line("licence"), list(_results(facts))
    private = ["differential-privacy"] if facts.guarantee else []
    return {
        **({"license": licence} if licence else {}),
        "library_name": "dpmed",
        "pipeline_tag": "image-classification",
        "tags": ["medical-imaging", "research-use-only", *private],
        **({"metrics": ["roc_auc"], "model-index": [{"name": words.model_id(facts), "results": results}]} if results else {}),
    }


def _results(facts: CardFacts) -> Iterator[dict[str, object]]:
    """Each estimable AUROC; a mean over findings is no task of the Hub's, and stands in the text alone."""
    known = facts.utility[facts.utility["auroc"].notna() & (facts.utility["finding"] != MACRO)]
    dataset = {"type": "private", "name": f"{plain_line(facts.cohort.name)}, version {version_alias(facts.cohort)}", "split": "test"}
    for _, row in known.iterrows():
        title = finding_title(row["finding"])
        yield {
            "task": {"type": "image-classification", "name": title},
            "dataset": dataset,
            "metrics": [{"type": "roc_auc", "value": round(float(row["auroc"]), 3), "name": f"AUROC of {title}"}],
        }


def _sections(facts: CardFacts) -> Iterator[Section]:
    """All sections in the order of the Hub's template; what people have not said is open."""
    said = facts.statements.text
    yield 1, f"Model card for {words.model_id(facts)}", f"{words.summary(facts)}\n\n{words.stage(facts)}"
    yield 2, "Model Details", ""
    yield 3, "Model Description", f"{words.architecture(facts)}\n\nLearnt elsewhere: {words.not_trained_here(facts)}"
    yield 3, "Developed by", said("developer")
    yield 3, "Funded by", said("funding")
    yield 3, "License", said("licence")
    yield 2, "Uses", ""
    yield 3, "Direct Use", f"{said('intended_use')}\n\n{said('users')}\n\n{said('population')}"
    yield 3, "Out-of-Scope Use", said("out_of_scope")
    yield 2, "Bias, Risks, and Limitations", _paragraphs(*words.limits(facts), said("clinical_risk"), said("ethics"))
    yield 3, "Recommendations", said("bias_mitigation")
    yield 2, "Privacy", _paragraphs(*words.privacy(facts))
    yield 2, "How to Get Started with the Model", said("how_to_use")
    yield 2, "Training Details", ""
    yield 3, "Training Data", f"{words.development_data(facts)}\n\n{said('consent')}"
    yield 3, "Training Procedure", f"{words.mechanism(facts)}\n\n{words.composition(facts)}"
    yield 2, "Evaluation", f"{words.METRIC}, of test patients of the same cohort. {words.NO_COMPARISON}"
    yield 3, "Results", _bullets(words.accuracy(facts))
    yield 3, "Gaps between groups", f"{words.GAPS_ARE}\n\n{_bullets(words.gaps(facts))}"
    yield 2, "More Information", f"{said('publications')}\n\n{said('stakeholders')}\n\n{said('maintenance')}"
    yield 2, "Model Card Contact", said("contact")


def _paragraphs(*texts: str) -> str:
    return "\n\n".join(texts)


def _bullets(texts: Iterator[str] | list[str]) -> str:
    return "\n".join(f"- {text}" for text in texts)
