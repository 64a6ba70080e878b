"""Analysis plans in the ledger: one entry for each plan and each change of it, and those that earlier versions kept in files.

The ledger shows when an entry is missing, changed or moved, so a plan cannot be removed to write another one "before the results". Whether
results could be seen is told by the ledger too: by attempts that ended on any of the same patients, in whatever version of the cohort.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from dpmed_core.cohort.groups import ATTRIBUTES
from dpmed_core.cohort.schema import Cohort
from dpmed_core.errors import DpmedError
from dpmed_core.evaluation.analysis_plan import AnalysisPlan, PlanRecord, WrittenPlan
from dpmed_core.evaluation.tables.cost_of_privacy import DEFAULT_MARGIN
from dpmed_core.keyed_hash import keyed_hex
from dpmed_core.privacy.ledger.book import ENDED, GAP, PLAN, PLANNED, Book
from dpmed_core.privacy.ledger.chain import Entry
from dpmed_core.privacy.ledger.patients import PatientSet
from dpmed_core.training.spec import RunSpec

EARLIER_FOLDER = "families"
"""Where earlier versions kept plans, one file a cohort version."""


def default_plan(cohort: Cohort, specs: Sequence[RunSpec] = ()) -> AnalysisPlan:
    """Sex, age and every co-morbidity, over all findings, with the models that `specs` ask for; of several recipes or units the first."""
    attributes, models = [*ATTRIBUTES, *cohort.comorbidities], {}
    if specs:
        first = specs[0]
        alike = [spec for spec in specs if (spec.variant, spec.unit) == (first.variant, first.unit)]
        epsilons = {spec.privacy.epsilon for spec in alike if spec.privacy and not spec.privacy.learns_nothing}
        models = {"recipe": first.variant, "unit": first.unit.value, "epsilons": epsilons, "n_seeds": len({spec.seed for spec in alike})}
    return AnalysisPlan.of(attributes, cohort.findings, DEFAULT_MARGIN, **models)


def plan_body(cohort: Cohort, plan: AnalysisPlan, *, after_results: bool, reason: str = "", name: str = "") -> dict[str, object]:
    """The body of the entry of a plan."""
    return {"cohort": cohort.fingerprint, "plan": plan.fields(), "after_results": after_results, "reason": reason, "name": name}


def plan_record(cohort: Cohort, entries: Sequence[Entry], *, genuine: bool) -> PlanRecord:
    """What was planned for `cohort`.

    Args:
        cohort: whose plans.
        entries: of the ledger.
        genuine: whether the chain is whole and not behind what was noted of it.
    """
    of_cohort = [entry for entry in entries if entry.kind == PLAN and entry.body.get("cohort") == cohort.fingerprint]
    written = [plan for entry in of_cohort if (plan := _written(entry)) is not None]
    return PlanRecord(tuple(written), default_plan(cohort), genuine and not any(entry.kind == GAP for entry in entries))


def body_for_runs(cohort: Cohort, specs: Sequence[RunSpec], book: Book, patients: PatientSet) -> dict[str, object] | None:
    """The body of the plan's entry that asking for `specs` needs; None where it needs none.

    The first runs of a cohort write its plan. While no verdict could be seen, further budgets and training runs are added to it.

    Args:
        cohort: of the runs.
        specs: what is asked for.
        book: what stands in the ledger.
        patients: everybody in the cohort.
    """
    asked, record = default_plan(cohort, specs), plan_record(cohort, book.entries, genuine=True)
    if not record.written:
        return plan_body(cohort, asked, after_results=could_be_seen(book, patients))
    more = record.plan.with_models(asked)
    if more == record.plan or could_be_seen(book, patients):
        return None
    return plan_body(cohort, more, after_results=False, reason="more models were asked for")


def not_taken_over(entries: Sequence[Entry], data_dir: Path, key: bytes) -> list[dict[str, object]]:
    """The bodies of entries of plans that an earlier version kept in files, for cohort versions of which the ledger has no plan yet."""
    known = {entry.body.get("cohort") for entry in entries if entry.kind == PLAN}
    found = {path.stem: earlier_plans(data_dir, key, path.stem) for path in sorted((data_dir / EARLIER_FOLDER).glob("*.jsonl"))}
    return [taken_over(fingerprint, plans[0]) for fingerprint, plans in found.items() if plans and fingerprint not in known]


def could_be_seen(book: Book, patients: PatientSet) -> bool:
    """Whether a verdict on any of `patients` could have been seen: a private and a non-private attempt on some of them have ended."""
    concerned = {entry.body.get("draw") for entry in book.touching(patients) if entry.kind == PLANNED}
    ended = {entry.body.get("draw") for entry in book.entries if entry.kind == ENDED and entry.body.get("how") == "finished"}
    return len({draw.private for draw in book.draws if draw.draw in concerned & ended}) == 2


def earlier_plans(data_dir: Path, key: bytes, fingerprint: str) -> list[WrittenPlan]:
    """The plans that an earlier version locked for a cohort version, the first at its first look; none from a record that was changed."""
    path, seal, found = data_dir / EARLIER_FOLDER / f"{fingerprint}.jsonl", "", []
    try:
        for line in path.read_text().splitlines() if path.exists() else []:
            fields = json.loads(line)
            plan = AnalysisPlan.from_fields(fields["family"])
            # Sealed over what the plan of that version held, and the seal before.
            said = json.dumps({"attributes": list(plan.attributes), "findings": list(plan.findings), "margin": plan.margin}, sort_keys=True)
            seal = keyed_hex(key, "family", seal, said, repr(float(fields["at"])))
            if seal != fields["seal"]:
                return []
            found.append(WrittenPlan(plan, float(fields["at"]), after_results=False))
    except (OSError, ValueError, KeyError, TypeError, DpmedError):
        return []
    return found[:1]


def taken_over(fingerprint: str, earlier: WrittenPlan) -> dict[str, object]:
    """The body of the entry of a plan that an earlier version locked, with the time of that."""
    return {
        "cohort": fingerprint,
        "plan": earlier.plan.fields(),
        "after_results": earlier.after_results,
        "reason": "",
        "name": "",
        "at": earlier.at,
    }


def _written(entry: Entry) -> WrittenPlan | None:
    """The plan of an entry; None of one that was changed until it cannot be read, which its seal shows."""
    body = entry.body
    try:
        plan, at = AnalysisPlan.from_fields(body["plan"]), float(body.get("at", entry.at))
        return WrittenPlan(plan, at, bool(body["after_results"]), entry.digest, str(body["reason"]))
    except (KeyError, TypeError, ValueError, DpmedError):
        return None
