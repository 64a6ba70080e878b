"""The cards of a model: valid by the published schemas, every number that of the tables, nothing of another model, open what is open."""

import json
import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest
import yaml

from dpmed_core.cohort.display_names import finding_title
from dpmed_core.decision_report.report_tables import number
from dpmed_core.errors import ExportError, LedgerError, ReviewError, RunError
from dpmed_core.phrases import rounded_up
from dpmed_core.privacy.ledger.release import charge_of
from dpmed_core.release_cards.facts import facts_of, reviews_of
from dpmed_core.release_cards.handed_out import DEPLOYMENT as ENTRY
from dpmed_core.release_cards.handed_out import HEALTH as HEALTH_FILE
from dpmed_core.release_cards.handed_out import HUB, HUB_JSON, card_files, release_with_cards
from dpmed_core.release_cards.statements import OPEN, QUESTIONS, Statements, read_statements, statements_form
from dpmed_core.review.records import LONGEST_TEXT
from dpmed_core.runs.plan import plan_runs
from dpmed_core.training.result import NO_TRAINING
from dpmed_core.training.spec import PrivacyUnit
from tests.finished_runs import finish_run
from tests.release_cards.published import (
    DEPLOYMENT,
    HEALTH,
    HEALTH_NAMESPACE,
    HUB_METADATA,
    problems_of_element,
    problems_of_entry,
)

HOSTILE = (
    "<script>alert(1)</script> ![x](http://x.test/a.png) \x1b[31m\x00 \"quoted\": - # ]]> &amp; =cmd|'/c calc'!A1 $x$ :smile: \U0001f600"
)
BY = {"name": "Officer", "reason": "to the clinic"}
NAMED = {"h": HEALTH_NAMESPACE}


@pytest.fixture
def released(here, run_id, everything_said):
    """All files of a release on which people said everything."""
    return release_with_cards(here, run_id, statements=everything_said, **BY)[1]


def entry_of(files):
    return yaml.safe_load(files[ENTRY])


def health_of(files):
    return ElementTree.fromstring(files[HEALTH_FILE])


def front_matter(files):
    return yaml.safe_load(files[HUB].decode().split("---\n")[1])


def texts_of(files):
    """Every card as the text that a reader sees."""
    sections = json.loads(files[HUB_JSON])["sections"]
    inside = [element.text or "" for element in health_of(files).iter()]
    return [files[HUB].decode(), " ".join(section["text"] for section in sections), " ".join(inside), str(entry_of(files))]


def test_cards_of_a_release_are_valid_by_the_published_schemas(released):
    assert problems_of_entry(entry_of(released), DEPLOYMENT) == []
    assert problems_of_entry(front_matter(released), HUB_METADATA) == []
    assert list(problems_of_element(health_of(released), HEALTH)) == []
    assert json.loads(released[HUB_JSON])["metadata"] == front_matter(released)
    assert not any(OPEN in text for text in texts_of(released)) and entry_of(released)["deployment"]["administrative"]["tier"] == 3


def test_of_a_draft_only_what_is_open_is_missing_and_it_is_said_to_be_open(here, run_id):
    files = card_files(facts_of(here, run_id, Statements()))
    problems = problems_of_entry(entry_of(files), DEPLOYMENT)
    assert sorted(re.findall(r"'(\w+)' is a required property", " ".join(problems))) == ["data_curator_type", "publication_date"]
    assert len(problems) == 2 and entry_of(files)["deployment"]["administrative"]["tier"] == 1
    assert list(problems_of_element(health_of(files), HEALTH)) == [] and problems_of_entry(front_matter(files), HUB_METADATA) == []
    card = files[HUB].decode()
    for name, question in QUESTIONS.items():
        assert any(f"{OPEN} {question}" in text for text in texts_of(files)) or name == "curator_type", name
    assert "Draft: no release of this model stands in the ledger" in card and "license" not in front_matter(files)


def test_the_schemas_of_these_tests_find_what_is_wrong(released):
    entry = entry_of(released)
    entry["deployment"]["basic"]["data_product_type"] = "A drawing"
    entry["deployment"]["privacy_loss"]["privacy_parameters"]["epsilon"] = "8"
    entry["deployment"]["basic"]["publication_date"] = "yesterday"
    assert len(problems_of_entry(entry, DEPLOYMENT)) == 3
    card = health_of(released)
    card.find("h:KeyMetrics/h:FairnessEquity", NAMED).remove(card.find("h:KeyMetrics/h:FairnessEquity/h:Results", NAMED))
    card.remove(card.find("h:Warnings", NAMED))
    assert len(list(problems_of_element(card, HEALTH))) == 2
    metadata = front_matter(released)
    del metadata["model-index"][0]["results"][0]["dataset"]["name"]
    assert len(problems_of_entry(metadata, HUB_METADATA)) == 1


def test_every_number_is_the_tables_to_the_printed_digit(here, run_id, review, everything_said):
    facts = facts_of(here, run_id, everything_said, review.review_id)
    files = card_files(facts)
    known = facts.utility[facts.utility["auroc"].notna()].set_index("finding")
    assert len(known) > 1
    said = {result["task"]["name"]: result["metrics"][0]["value"] for result in front_matter(files)["model-index"][0]["results"]}
    assert said == {finding_title(finding): round(row["auroc"], 3) for finding, row in known.drop("macro").iterrows()}
    card = files[HUB].decode()
    for finding, row in known.iterrows():
        ends = f"{number(row['auroc_low'])} to {number(row['auroc_high'])}"
        assert f"- {finding_title(finding)}: {number(row['auroc'])} ({ends})." in card
    measured = {}
    for result in health_of(files).iterfind(".//h:UsefulnessUsabilityEfficacy//h:MetricResult", NAMED):
        value = json.loads(result.find("h:ValueJson", NAMED).text)
        measured[result.find("h:Label", NAMED).text] = (value["estimate"], value["lower"], value["upper"])
    columns = ["auroc", "auroc_low", "auroc_high"]
    assert measured == {f"AUROC: {finding_title(finding)}": tuple(row[columns].astype(float).round(3)) for finding, row in known.iterrows()}
    frozen = here.reviews.tables(review.review_id)["utility"]
    names = [name for name, _ in frozen["columns"]]
    macro = [row for row in frozen["rows"] if row[names.index("run_id")] == run_id and row[names.index("finding")] == "macro"]
    assert measured["AUROC: Mean over findings"][0] == round(macro[0][names.index("auroc")], 3)


def test_every_epsilon_has_delta_unit_accountant_and_neighbours_and_is_rounded_up(here, run_id, released):
    charge, alone = charge_of(here.ledger.book(), run_id), here.runs.result(run_id).guarantee
    loss = entry_of(released)["deployment"]["privacy_loss"]
    parameters = loss["privacy_parameters"]
    assert parameters == {"epsilon": rounded_up(charge.epsilon, 3), "delta": rounded_up(charge.delta, 2)}
    assert parameters["epsilon"] >= charge.epsilon > alone.epsilon and loss["privacy_unit"] == "patient"
    bounds = [json.loads(value.text) for value in health_of(released).iterfind(".//h:SafetyReliability//h:ValueJson", NAMED)]
    assert [bound["value"] for bound in bounds] == [rounded_up(alone.epsilon, 3), parameters["epsilon"]]
    terms = r" at δ = \S+ for (?:each (?:patient|image) \(.*?(?:accountant|composition).*?\)|the patient with the most \(.*?\))"
    for text in texts_of(released):
        assert len(re.findall("ε = ", text)) == len(re.findall(r"ε = \S+" + terms, text)) >= 2 and "zero-out" in text.lower()
    labels = [label.text for label in health_of(released).iterfind(".//h:SafetyReliability//h:Label", NAMED)]
    assert all("δ = " in label and "zero-out neighbours" in label for label in labels)


def test_nothing_on_a_card_is_of_another_model(here, cohort, run_id, review):
    now, frozen = facts_of(here, run_id, Statements()), facts_of(here, run_id, Statements(), review.review_id)
    for facts in (now, frozen):
        assert set(facts.utility["run_id"]) == set(facts.gaps["run_id"]) == {run_id}
    before = card_files(now)
    for other in here.runs.of_cohort(cohort.fingerprint):
        if other.run_id != run_id:
            (here.runs.root / other.run_id / "scores.parquet").unlink()
    assert card_files(facts_of(here, run_id, Statements())) == before


def test_a_review_gives_its_frozen_numbers_and_how_it_ended(here, cohort, run_id, review):
    assert reviews_of(here, run_id, cohort.fingerprint) == [review.review_id]
    files = card_files(facts_of(here, run_id, Statements(), review.review_id))
    assert f"Review {review.review_id}: no decision." in files[HUB].decode()
    reference = next(run["run_id"] for run in review.frozen["runs"] if run["is"] == "reference")
    with pytest.raises(ReviewError, match="is not about run"):
        facts_of(here, reference, Statements(), review.review_id)
    here.runs.withdraw(run_id)
    with pytest.raises(RunError, match="only a finished run has cards"):
        facts_of(here, run_id, Statements())


def test_a_run_that_was_trained_again_is_another_model_than_the_reviewed_one(here, cohort, run_id, review):
    spec = here.runs.result(run_id).spec
    here.runs.withdraw(run_id)
    here.runs.ask(spec, cohort_name=cohort.name)
    finish_run(here, cohort, spec, luck=99)
    with pytest.raises(ReviewError, match="trained again since review"):
        facts_of(here, run_id, Statements(), review.review_id)


def test_what_cannot_have_cards_is_not_released(here, run_id, review):
    entries = len(here.ledger.chain.verified()[0])
    other = next(run["run_id"] for run in review.frozen["runs"] if run["is"] == "reference")
    with pytest.raises(ReviewError, match="is not about run"):
        release_with_cards(here, other, statements=Statements(), review_id=review.review_id, without_guarantee=True, **BY)
    with pytest.raises(LedgerError, match="no privacy guarantee"):
        release_with_cards(here, other, statements=Statements(), **BY)
    assert len(here.ledger.chain.verified()[0]) == entries
    assert run_id not in str(here.ledger.chain.head().body)


def test_a_release_names_who_decided_and_the_ledgers_seal(here, run_id, everything_said):
    released, files = release_with_cards(here, run_id, statements=everything_said, scores=True, **BY)
    head = here.ledger.chain.head()
    assert set(files) == {"weights.safetensors", "guarantee.json", "scores.csv", HUB, HUB_JSON, HEALTH_FILE, ENTRY}
    for text in texts_of(files):
        assert "by Officer: to the clinic" in text and head.digest == released.seal and released.seal in text
    assert entry_of(files)["deployment"]["basic"]["publication_date"] in files[HUB].decode()


def test_a_model_without_privacy_has_no_entry_in_the_registry_and_says_that_it_has_no_guarantee(here, review):
    reference = next(run["run_id"] for run in review.frozen["runs"] if run["is"] == "reference")
    files = release_with_cards(here, reference, statements=Statements(), without_guarantee=True, **BY)[1]
    assert ENTRY not in files and list(problems_of_element(health_of(files), HEALTH)) == []
    card = files[HUB].decode()
    assert "It has no privacy guarantee" in card and "without differential privacy" in card and "ε = " not in card
    assert "differential-privacy" not in front_matter(files)["tags"]


def test_of_a_public_start_alone_it_is_said_that_nothing_was_learnt(here, run_id, everything_said):
    facts = facts_of(here, run_id, everything_said)
    nothing = {"epsilon": 0.0, "delta": 0.0, "accountant": NO_TRAINING, "noise_multiplier": 0.0, "steps": 0}
    files = card_files(replace(facts, guarantee=replace(facts.guarantee, **nothing)))
    assert "Nothing was learnt from this cohort." in files[HUB].decode() and "nan" not in files[ENTRY].decode()
    assert list(problems_of_element(health_of(files), HEALTH)) == []


def test_with_the_image_as_unit_the_cards_say_what_is_protected(here, cohort, everything_said):
    spec = plan_runs(
        cohort, key=here.key, recipe="probe", epsilons=[2.0], n_seeds=1, delta=None, unit=PrivacyUnit.IMAGE, non_private=False
    )[0]
    run_id = here.runs.ask(spec, cohort_name=cohort.name).run_id
    finish_run(here, cohort, spec)
    files = card_files(facts_of(here, run_id, everything_said))
    loss = entry_of(files)["deployment"]["privacy_loss"]
    charge = charge_of(here.ledger.book(), run_id)
    assert (loss["privacy_unit"], loss["privacy_parameters"]["epsilon"]) == ("patient", rounded_up(charge.epsilon, 3))
    assert charge.epsilon > 2.0 and "number_of_privacy_units" not in loss
    assert "ε = 2 at δ = 1e-05 for each image" in files[HUB].decode() and "gradient of each image is clipped" in files[HUB].decode()
    assert "for each image: two data sets" in files[HUB].decode() and "for each patient: two data sets" in loss["privacy_unit_details"]


def test_foreign_text_is_text_in_every_card(here, run_id):
    said = Statements({name: HOSTILE for name in QUESTIONS if name != "curator_type"})
    files = release_with_cards(here, run_id, statements=said, name=HOSTILE, reason=HOSTILE)[1]
    assert problems_of_entry(front_matter(files), HUB_METADATA) == [] and list(problems_of_element(health_of(files), HEALTH)) == []
    assert [problem.split(": ")[0] for problem in problems_of_entry(entry_of(files), DEPLOYMENT)] == ["deployment/basic/data_curators/0"]
    for text in texts_of(files):
        body = text.split("---\n", 2)[-1]
        assert re.search(r"(?<!\\)<script|(?<!\\)\[x|http://", body) is None and "script" in body and "\x1b" not in text
    assert "alert(1)" in front_matter(files)["license"] and entry_of(files)["deployment"]["basic"]["data_product_sector"] == "Healthcare"


def test_statements_come_from_a_form_and_nothing_else_is_taken(tmp_path):
    file = tmp_path / "said.toml"
    file.write_text(statements_form())
    assert read_statements(file).open == list(QUESTIONS)
    file.write_text(statements_form().replace('developer = ""', 'developer = "A hospital"'))
    assert read_statements(file).text("developer") == "A hospital" and "developer" not in read_statements(file).open
    for content, why in (("x = 1", "must be texts"), ('x = "y"', "no statement 'x'"), ("=", "cannot be read as TOML")):
        file.write_text(content)
        with pytest.raises(ExportError, match=why):
            read_statements(file)
    with pytest.raises(ExportError, match="no publisher of the kind"):
        Statements({"curator_type": "Friend"})
    with pytest.raises(ReviewError, match="There is room for"):
        Statements({"ethics": "x" * (LONGEST_TEXT + 1)})
