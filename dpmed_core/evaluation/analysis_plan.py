"""Analysis plans: a verdict's subgroups, findings and margin, recorded before its results are first shown.

One file for each version of a cohort, `FINGERPRINT.jsonl`: a line for each plan that results were shown for, in order. Each line is sealed
with the installation's secret over the line's content and the seal before it, so a line that is changed, moved or removed is noticed,
unless the removed line is the last. The first plan is the locked one; results under another can be shown, which is recorded and stated.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from dpmed_core.cohort.schema import Cohort
from dpmed_core.errors import SettingsError, SpecError
from dpmed_core.evaluation.tables.cost_of_privacy import check_margin
from dpmed_core.files import append_line
from dpmed_core.keyed_hash import keyed_hex


@dataclass(frozen=True)
class AnalysisPlan:
    """What a verdict is about.

    Attributes:
        attributes: what subgroups are made by, sorted.
        findings: which are judged, sorted.
        margin: excess loss of AUROC that is still acceptable, above 0 and below 0.5.
    """

    attributes: tuple[str, ...]
    findings: tuple[str, ...]
    margin: float

    @classmethod
    def of(cls, attributes: Sequence[str], findings: Sequence[str], margin: float) -> "AnalysisPlan":
        """The plan; equal for the same choice in another order or with repetitions.

        >>> AnalysisPlan.of(["sex", "age"], ["mass"], 0.02) == AnalysisPlan.of(["age", "sex", "age"], ["mass"], 0.02)
        True

        Raises:
            SpecError: the margin cannot be used.
        """
        check_margin(margin)
        return cls(tuple(sorted(set(attributes))), tuple(sorted(set(findings))), float(margin))

    def fields(self) -> dict[str, object]:
        """The plan as plain values."""
        return {"attributes": list(self.attributes), "findings": list(self.findings), "margin": self.margin}


@dataclass(frozen=True)
class Lock:
    """One plan that results are shown for, beside the plan that was locked.

    Attributes:
        plan: the one in use.
        locked: the first plan of the record.
        locked_at: when it was recorded, in seconds since 1970 (UTC).
        n_plans: plans in the record, this one included.
    """

    plan: AnalysisPlan
    locked: AnalysisPlan
    locked_at: float
    n_plans: int

    @property
    def is_first(self) -> bool:
        """Whether this plan is the one that was locked."""
        return self.plan == self.locked

    def sentence(self) -> str:
        """What a reader of the verdicts must know of the plan."""
        when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(self.locked_at))
        if self.is_first:
            return f"Subgroups, findings and margin were locked on {when}, before these verdicts were first shown."
        return (
            f"These verdicts were not planned: another choice of subgroups, findings or margin was locked on {when}, and "
            f"{self.n_plans} choices have been looked at. Read them as exploration."
        )


@dataclass(frozen=True)
class _Look:
    """One line of the record."""

    plan: AnalysisPlan
    at: float
    seal: str


@dataclass(frozen=True)
class AnalysisPlans:
    """The record of analysis plans, by cohort.

    Attributes:
        root: the folder; made when the first plan is recorded.
        key: the installation's secret.
    """

    root: Path
    key: bytes

    def look(self, cohort: Cohort, plan: AnalysisPlan) -> Lock:
        """Record `plan`, where it is new, before its results are shown.

        Raises:
            SettingsError: the record was changed.
        """
        path = self.root / f"{cohort.fingerprint}.jsonl"
        self.root.mkdir(parents=True, exist_ok=True)
        # Two sessions may look at the same moment: only one plan can be the first, and each seal needs the one before.
        with FileLock(path.with_suffix(".lock"), timeout=30):
            looks = self._looks(path)
            if plan not in [look.plan for look in looks]:
                look = self._sealed(looks, plan, time.time())
                # "family" is the key of records written by earlier versions.
                append_line(path, {"family": plan.fields(), "at": look.at, "seal": look.seal})
                looks.append(look)
        return Lock(plan, looks[0].plan, looks[0].at, len(looks))

    def first(self, cohort: Cohort) -> AnalysisPlan | None:
        """The plan that was locked; None where no results have been shown yet.

        Raises:
            SettingsError: the record was changed.
        """
        looks = self._looks(self.root / f"{cohort.fingerprint}.jsonl")
        return looks[0].plan if looks else None

    def _looks(self, path: Path) -> list[_Look]:
        """Every line of the record, checked."""
        looks: list[_Look] = []
        for line in path.read_text().splitlines() if path.exists() else []:
            try:
                fields = json.loads(line)
                written = fields["family"]
                plan = AnalysisPlan.of(written["attributes"], written["findings"], written["margin"])
                look = self._sealed(looks, plan, float(fields["at"]))  # computed again from what stands in the line
            except (ValueError, KeyError, TypeError, SpecError):
                raise _changed() from None
            if look.seal != fields["seal"]:
                raise _changed()
            looks.append(look)
        return looks

    def _sealed(self, before: Sequence[_Look], plan: AnalysisPlan, at: float) -> _Look:
        """The next line of the record. The domain "family" and the form of the fields are part of every stored seal and must stay."""
        # `repr` gives a float's shortest exact form, which JSON keeps, so the seal can be computed again from the file.
        seal = before[-1].seal if before else ""
        return _Look(plan, at, keyed_hex(self.key, "family", seal, json.dumps(plan.fields(), sort_keys=True), repr(at)))


def _changed() -> SettingsError:
    return SettingsError("The record of analysis plans was changed: restore the folder 'families' of the data folder from a backup.")
