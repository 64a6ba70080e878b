"""What was decided before looking: a verdict's subgroups, findings and margin, kept where nobody can change them unseen.

One file a cohort version, `FINGERPRINT.jsonl`: a line for each family that was ever looked at, in order, each sealed under the
installation's secret together with the one before. The first is the one that was locked; a look under another family is allowed, kept,
and said.
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
        attributes: by which subgroups are made, sorted.
        findings: that are judged, sorted.
        margin: excess loss of AUROC that is still acceptable.
    """

    attributes: tuple[str, ...]
    findings: tuple[str, ...]
    margin: float

    @classmethod
    def of(cls, attributes: Sequence[str], findings: Sequence[str], margin: float) -> "AnalysisPlan":
        """The family, whatever the order in which it is named.

        Raises:
            SpecError: the margin cannot be used.
        """
        check_margin(margin)
        return cls(tuple(sorted(set(attributes))), tuple(sorted(set(findings))), float(margin))

    def fields(self) -> dict[str, object]:
        """The family as plain values."""
        return {"attributes": list(self.attributes), "findings": list(self.findings), "margin": self.margin}


@dataclass(frozen=True)
class Lock:
    """Where a look stands among the looks.

    Attributes:
        family: what is looked at.
        locked: the first family that was looked at.
        locked_at: when, in seconds since 1970.
        n_plans: families looked at so far, this one included.
    """

    family: AnalysisPlan
    locked: AnalysisPlan
    locked_at: float
    n_plans: int

    @property
    def is_first(self) -> bool:
        """Whether this family is the one that was locked."""
        return self.family == self.locked

    def sentence(self) -> str:
        """What a reader must know of the family."""
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

    family: AnalysisPlan
    at: float
    seal: str


@dataclass(frozen=True)
class AnalysisPlans:
    """The families that were looked at, by cohort.

    Attributes:
        root: the folder; made at the first look.
        key: the installation's secret.
    """

    root: Path
    key: bytes

    def look(self, cohort: Cohort, family: AnalysisPlan) -> Lock:
        """Record a look, before anything is shown.

        Raises:
            SettingsError: a line of the record was changed.
        """
        path = self.root / f"{cohort.fingerprint}.jsonl"
        self.root.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock"), timeout=30):
            looks = self._looks(path)
            if family not in [look.family for look in looks]:
                look = self._sealed(looks, family, time.time())
                append_line(path, {"family": family.fields(), "at": look.at, "seal": look.seal})
                looks.append(look)
        return Lock(family, looks[0].family, looks[0].at, len(looks))

    def first(self, cohort: Cohort) -> AnalysisPlan | None:
        """The family that was locked; None where nobody has looked yet.

        Raises:
            SettingsError: a line of the record was changed.
        """
        looks = self._looks(self.root / f"{cohort.fingerprint}.jsonl")
        return looks[0].family if looks else None

    def _looks(self, path: Path) -> list[_Look]:
        """Every line of the record, checked."""
        looks: list[_Look] = []
        for line in path.read_text().splitlines() if path.exists() else []:
            try:
                fields = json.loads(line)
                written = fields["family"]
                family = AnalysisPlan.of(written["attributes"], written["findings"], written["margin"])
                look = self._sealed(looks, family, float(fields["at"]))
            except (ValueError, KeyError, TypeError, SpecError):
                raise _changed() from None
            if look.seal != fields["seal"]:
                raise _changed()
            looks.append(look)
        return looks

    def _sealed(self, before: Sequence[_Look], family: AnalysisPlan, at: float) -> _Look:
        seal = before[-1].seal if before else ""
        return _Look(family, at, keyed_hex(self.key, "family", seal, json.dumps(family.fields(), sort_keys=True), repr(at)))


def _changed() -> SettingsError:
    return SettingsError("The record of what was locked before looking was changed: restore the folder 'families' from a backup.")
