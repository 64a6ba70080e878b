"""The report of a review: its numbers are the frozen tables', it asks for nothing, and foreign text in it is text."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pandas as pd
import pytest
from click.testing import CliRunner

from dpmed_core.cli import dpmed
from dpmed_core.cohort.display_names import finding_title, subgroup_title
from dpmed_core.cohort.schema import Part
from dpmed_core.cohort.split import DEFAULT_SPLIT_SEED, assign_parts
from dpmed_core.decision_report.gathered import of_cohort, of_review
from dpmed_core.decision_report.page import report_html
from dpmed_core.decision_report.paper import report_pdf
from dpmed_core.decision_report.report_tables import budgets_table
from dpmed_core.decision_report.summary import limits, meaning, summary
from dpmed_core.errors import ExportError, ReviewError
from dpmed_core.evaluation.tables.largest_loss import at_budget
from dpmed_core.privacy.meaning.attack_odds import attack_odds
from dpmed_core.privacy.meaning.mechanism_curve import tradeoff_of
from dpmed_core.privacy.meaning.protected_unit import ProtectedUnit, mechanism_of_guarantee, mechanism_of_target, mu_of
from dpmed_core.reporting.static_images import browser
from dpmed_core.review.acts import close, comment, give_verdict
from dpmed_core.review.frozen import CANDIDATE, run_ids
from dpmed_core.review.records import LONGEST_TEXT, About, Choice, Kind, Met, Role
from dpmed_core.runs.plan import plan_runs
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit
from tests.finished_runs import finish_run
from tests.review.conftest import WHO

HOSTILE = "<script>alert(1)</script> </script><img src=http://x.test/a.png onerror=alert(1)> *b* =cmd|'/c calc'!A1 "


class Read(HTMLParser):
    """The tables of a page as text, its elements, and the words outside of scripts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tables, self.tags, self.attributes, self.words = {}, [], [], []
        self._table, self._cell, self._inside = None, None, []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag in ("script", "style"):
            self._inside.append(tag)
        if tag == "table":
            self._table = self.tables.setdefault(dict(attrs).get("id", ""), [])
        if tag == "tr" and self._table is not None:
            self._table.append([])
        if tag in ("td", "th"):
            self._cell = ""

    def handle_endtag(self, tag):
        if self._inside and tag == self._inside[-1]:
            self._inside.pop()
        if tag in ("td", "th") and self._cell is not None:
            self._table[-1].append(self._cell)
            self._cell = None

    def handle_data(self, data):
        if not self._inside:
            self.words.append(data)
        if self._cell is not None:
            self._cell += data

    def rows(self, name):
        head, *rows = self.tables[name]
        return pd.DataFrame(rows, columns=head)


@pytest.fixture(autouse=True)
def without_plotly(request, monkeypatch):
    """Plotly's five megabytes take seconds to read, and say nothing of a report."""
    if "browser" not in request.keywords:
        monkeypatch.setattr("dpmed_core.decision_report.page._drawing", lambda: "")


@pytest.fixture
def page(here, review):
    return report_html(of_review(here, review.review_id))


def as_number(text):
    return float("nan") if text in ("", "not estimable") else float(text.replace("−", "-"))


def test_every_number_of_its_tables_is_the_pages_to_the_printed_digit(here, cohort, review, page):
    read, plans = Read(page), here.ledger.plan_record(cohort)
    gathered = of_review(here, review.review_id)
    costs = at_budget(gathered.tables.auroc.costs, recipe="probe", unit="patient", epsilon=8.0)
    costs = costs[costs["attribute"] == "all"].set_index("finding")
    shown = read.rows("findings").set_index("Finding")
    assert len(shown) == len(costs) == len(cohort.findings) + 1
    for finding, row in costs.iterrows():
        cells = shown.loc[finding_title(finding)]
        for name, column in (("With privacy", "auroc"), ("Without", "auroc_reference"), ("Difference", "difference")):
            assert as_number(cells[name]) == pytest.approx(row[column], abs=0.0005, nan_ok=True), (finding, name)
        ends = [as_number(end) for end in cells["95 % interval"].split(" to ")] if cells["95 % interval"] else [float("nan")] * 2
        assert ends == pytest.approx([row["difference_low"], row["difference_high"]], abs=0.0005, nan_ok=True)
        counts = [int(cells[name].replace(",", "")) for name in ("Images", "Positive", "Patients")]
        assert counts == [row["n_cases"], row["n_positive"], row["n_patients"]] and cells["Verdict"] == row["verdict"]
    verdicts = at_budget(gathered.tables.verdicts, recipe="probe", unit="patient", epsilon=8.0)
    assert set(plans.plan.attributes) == set(verdicts["attribute"]) and verdicts["excess"].isna().all() and "groups" not in read.tables
    without = read.rows("groups-without")
    said = [
        (cells["Group"], cells["Not estimable because"], one)
        for _, cells in without.iterrows()
        for one in re.split(r"(?<=\)), ", cells["Findings"])
    ]
    assert sorted(said) == sorted(
        (subgroup_title(row["attribute"], row["subgroup"]), row["reason"], f"{finding_title(row['finding'])} ({row['n_positive']:,})")
        for _, row in verdicts.iterrows()
    )
    budgets = read.rows("budgets")
    assert list(budgets["Privacy"]) == ["ε = 1", "ε = 8", "without privacy"]
    means = gathered.tables.auroc.overall
    means = means[means["finding"] == "macro"].sort_values("epsilon", na_position="last")
    assert [as_number(cell) for cell in budgets["AUROC"]] == pytest.approx(list(means["auroc"]), abs=0.0005)


def test_it_says_what_was_asked_decided_by_whom_why_and_on_what_terms(here, review):
    for role in (Role.CLINICIAN, Role.RESEARCHER, Role.PRIVACY_OFFICER, Role.IT):
        now = here.reviews.review(review.review_id)
        choice, conditions = (Choice.WITH_CONDITIONS, "read twice") if role is Role.CLINICIAN else (Choice.APPROVE, "")
        give_verdict(here.reviews, now, WHO[role], choice, f"reason of {role.value}", seen=now.version, conditions=conditions)
    now = here.reviews.review(review.review_id)
    close(here.reviews, here.ledger, now, WHO[Role.RESEARCHER], "Again in a year.", seen=now.version)
    words = " ".join(" ".join(Read(report_html(of_review(here, review.review_id))).words).split())
    for said in ("Use it?", "Approved with conditions", "read twice", "reason of privacy officer", "Again in a year.", "Closed 20"):
        assert said in words, said
    for said in ("ε = 8 at δ =", "for each patient", "analytic-gaussian", "zero-out", "no privacy guarantee", "not protected", "seal"):
        assert said in words, said
    assert "of 100 fifty-fifty guesses" in words.lower()
    points = of_review(here, review.review_id).points
    n_open, n_not_met = (sum(one.met == met for one in points) for met in (None, Met.NOT_MET))
    said = f"{n_open} of {len(points)} points are open, {n_not_met} are not met"
    assert words.count(said) == 2, "beside the decision, and above the checklist"


def test_odds_of_an_attacker_are_those_of_the_mechanism_as_the_page_privacy_has_them(here, review):
    gathered = of_review(here, review.review_id)
    alone = here.runs.result(run_ids(gathered.frozen, CANDIDATE)[0]).guarantee
    assert gathered.candidate["sample_rate"] == 1 and gathered.frozen["format"] == 2 and alone is not None
    steps = {"accountant": "prv", "noise_multiplier": 1.1, "sample_rate": 0.1, "steps": 60}
    sampled = replace(gathered, frozen={**gathered.frozen, "candidate": {**gathered.candidate, **steps}})
    drawn = mechanism_of_guarantee(replace(alone, noise_multiplier=1.1, sample_rate=0.1, steps=60), ProtectedUnit(PrivacyUnit.PATIENT))
    for one, mechanism in ((gathered, _exactly(gathered)), (sampled, drawn)):
        right = attack_odds(tradeoff_of(mechanism), mu_of(mechanism)).guess_right
        said = float(re.search(r"at most (\S+) can be right", meaning(one))[1])
        assert right <= said < right + 0.1 and 50 < right < 100


def _exactly(gathered):
    target = PrivacyTarget(gathered.candidate["epsilon_spent"], gathered.candidate["delta"])
    return mechanism_of_target(target, ProtectedUnit(PrivacyUnit.PATIENT))


def test_a_review_that_froze_no_sample_rate_opens_and_gives_no_odds_of_sampled_steps(here, review):
    gathered = of_review(here, review.review_id)
    before = {name: value for name, value in gathered.candidate.items() if name != "sample_rate"}
    assert "fifty-fifty" in meaning(replace(gathered, frozen={**gathered.frozen, "candidate": before}))
    sampled = {**gathered.frozen, "candidate": {**before, "accountant": "prv"}}
    assert "stands on the page Privacy" in report_html(replace(gathered, frozen=sampled))


def test_with_the_image_as_unit_no_patient_is_said_to_be_protected(here, review):
    gathered = of_review(here, review.review_id)
    of_images = replace(gathered, frozen={**gathered.frozen, "candidate": {**gathered.candidate, "unit": "image"}})
    assert "for training images and" in " ".join(limits(of_images)) and "training patients and" in " ".join(limits(gathered))
    assert "no patient who has several" in meaning(of_images)


def test_every_figure_is_drawn_and_has_its_slider_and_a_still_one_has_none(here, review, page):
    documents = [json.loads(part.split(">", 1)[1].split("</script>")[0]) for part in page.split('<script type="application/json"')[1:]]
    gathered = of_review(here, review.review_id)
    assert len(documents) == 3 + len(gathered.tables.by)
    assert all([step["label"] for step in figure["layout"]["sliders"][0]["steps"]] == ["1", "8"] for figure in documents)
    assert page.count('class="plot"') == len(documents)
    still = report_html(gathered, still=True)
    assert '"sliders"' not in still.replace("sliders:", "") or '"sliders":[{' not in still


def test_comparisons_of_groups_with_a_number_have_a_row_each_and_the_others_share_one_by_group_and_reason(here, review):
    found = of_review(here, review.review_id)
    verdicts = at_budget(found.tables.verdicts, recipe="probe", unit="patient", epsilon=8.0).copy()
    known = verdicts.index[[0, 3, 7]]
    verdicts.loc[known, ["excess", "excess_low", "excess_high", "loss", "loss_others"]] = [0.0123, -0.0456, 0.0789, 0.02, 0.0077]
    vars(found.tables)["verdicts"] = verdicts
    read = Read(report_html(found))
    groups, without = read.rows("groups"), read.rows("groups-without")
    assert list(groups["Group"]) == [subgroup_title(row["attribute"], row["subgroup"]) for _, row in verdicts.loc[known].iterrows()]
    assert set(groups["Extra loss"]) == {"0.012"} and set(groups["95 % interval"]) == {"−0.046 to 0.079"}
    assert sum(len(re.findall(r"\(\d+\)", cell)) for cell in without["Findings"]) == len(verdicts) - 3
    assert not without.duplicated(["Group", "Not estimable because"]).any()


def test_where_no_auroc_is_estimable_the_report_says_so(here, review):
    found = of_review(here, review.review_id)
    vars(found.tables.auroc)["overall"] = pd.DataFrame(columns=found.tables.auroc.overall.columns)
    assert budgets_table(found).rows == [] and summary(found)
    assert Read(report_html(found)).tables.keys() >= {"findings", "errors"}


def test_what_was_frozen_is_reported_whatever_is_trained_afterwards(here, cohort, review, page):
    specs = plan_runs(cohort, key=here.key, recipe="probe", epsilons=[8.0], n_seeds=3, delta=None, unit=PrivacyUnit.PATIENT)
    here.ledger.ask(cohort, specs)
    for luck, spec in enumerate(specs):
        finish_run(here, cohort, spec, luck=40 + luck)
    later = report_html(of_review(here, review.review_id))
    assert Read(later).tables["findings"] == Read(page).tables["findings"]
    assert "Different now from what was reviewed" in later and "Different now" not in page


def test_hostile_and_long_text_is_text(here, review):
    about = About(Kind.FIGURE, "loss-map")
    for text in (HOSTILE, "x" * LONGEST_TEXT, "\u202eright to left\x00"):
        now = here.reviews.review(review.review_id)
        comment(here.reviews, now, WHO[Role.IT], about, text, seen=now.version, cohort=None)
    page = report_html(of_review(here, review.review_id))
    read = Read(page)
    assert "img" not in read.tags and not [name for name, _ in read.attributes if name.startswith("on")]
    words = " ".join(read.words)
    assert "<script>alert(1)</script>" in words and "x" * LONGEST_TEXT in words
    assert "\u202e" not in page and "\x00" not in page


def test_words_on_a_case_stay_in_the_house(here, cohort, review):
    case_id = str(cohort.cases["case_id"].iloc[_held_out(here, cohort)])
    comment(here.reviews, review, WHO[Role.IT], About(Kind.CASE, case_id), "rare anatomy", seen=review.version, cohort=cohort)
    page = report_html(of_review(here, review.review_id))
    assert "rare anatomy" not in page and case_id not in page and "stay in the house" in page


def _held_out(here, cohort):
    return int((assign_parts(cohort, seed=DEFAULT_SPLIT_SEED, key=here.key).parts == Part.TEST.value).argmax())


def test_nothing_in_it_names_a_patient_or_asks_for_anything(cohort, page):
    read = Read(page)
    addresses = [value for name, value in read.attributes if name in ("src", "href", "action", "data", "poster")]
    assert not addresses and "link" not in read.tags and "iframe" not in read.tags
    assert not [one for one in (*cohort.cases["patient_id"], *cohort.cases["case_id"]) if one in page]


@pytest.mark.browser
@pytest.mark.skipif(browser() is None, reason="no Chrome or Chromium")
def test_page_and_pdf_are_small_and_whole(here, review):
    gathered = of_review(here, review.review_id)
    assert 1_000_000 < len(report_html(gathered).encode()) < 10_000_000
    printed = report_pdf(report_html(gathered, still=True))
    assert printed.startswith(b"%PDF-") and b"%%EOF" in printed[-64:] and 50_000 < len(printed) < 10_000_000


def test_a_cohort_without_a_review_is_reported_as_not_decided(here, cohort):
    page = report_html(of_cohort(here, cohort.name))
    words = " ".join(Read(page).words)
    assert "Nobody has reviewed this" in words and "ε = 1 at δ =" in words  # the budget nearest to 1
    assert "ε = 8 at δ =" in " ".join(Read(report_html(of_cohort(here, cohort.name, epsilon=8.0))).words)
    assert here.reviews.names() and len(here.reviews.names()) == 1, "nothing is stored"


def test_a_review_that_was_changed_outside_is_not_reported(here, review, monkeypatch):
    monkeypatch.setattr(type(here.reviews), "tables", lambda self, review_id: {})
    with pytest.raises(ReviewError, match="not genuine"):
        of_review(here, review.review_id)


def test_without_a_browser_a_pdf_is_refused_in_one_sentence(page, monkeypatch):
    monkeypatch.setattr("dpmed_core.decision_report.paper.browser", lambda: None)
    with pytest.raises(ExportError, match="Chrome"):
        report_pdf(page)


def test_the_command_writes_a_review_or_a_cohort_and_nothing_else(here, review, tmp_path, monkeypatch):
    monkeypatch.setattr("dpmed_core.commands.report.Installation.open", lambda: here)
    out = tmp_path / "report.html"
    done = CliRunner().invoke(dpmed, ["report", "--review", review.review_id, "--out", str(out), "--json"], obj=None)
    assert done.exit_code == 0 and json.loads(done.output)["file"] == str(out) and "Use it?" in out.read_text()
    for wrong in ([], ["--review", "x", "--cohort", "y"], ["--review", review.review_id, "--epsilon", "1"]):
        assert CliRunner().invoke(dpmed, ["report", *wrong, "--out", str(out)]).exit_code != 0
    named = CliRunner().invoke(dpmed, ["report", "--review", review.review_id, "--out", str(tmp_path / "report.docx")])
    assert isinstance(named.exception, ExportError) and not (tmp_path / "report.docx").exists()
