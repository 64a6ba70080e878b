"""What a figure of the catalogue shows."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from dpmed_core.evaluation.metrics.auroc import AUROC
from dpmed_core.evaluation.metrics.catalogue import metric_called
from dpmed_core.evaluation.metrics.metric import Metric
from dpmed_core.evaluation.scores.arms import SAMPLED_ALIKE
from dpmed_core.evaluation.scores.grouping import EVERYBODY


@dataclass(frozen=True)
class Choice:
    """What a figure shows; None where nothing was chosen.

    Attributes:
        finding: a finding or "macro".
        recipe: name.
        unit: "patient" or "image"; a member of `PrivacyUnit` becomes its name, so that what is equal is one key of a cache.
        epsilon: a trained target.
        attribute: what subgroups are made by.
        reference: which non-private reference losses are measured against.
        metric: name of what is measured.
        published: the folder of published results to draw behind a CT cohort's own (`Settings.reference_dir`).
    """

    finding: str | None = None
    recipe: str | None = None
    unit: str | None = None
    epsilon: float | None = None
    attribute: str | None = None
    reference: str = SAMPLED_ALIKE
    metric: str = AUROC.name
    published: Path | None = None

    def __post_init__(self) -> None:
        if self.unit is not None:
            object.__setattr__(self, "unit", str(self.unit))

    @property
    def measured(self) -> Metric:
        """The metric that was chosen.

        Raises:
            SpecError: there is no such metric.
        """
        return metric_called(self.metric)

    def of_subgroups(self) -> dict[str, Any]:
        """The arguments of `wording.fairness.fairness_sentence`, by name; every one of them must have been chosen."""
        chosen = {name: getattr(self, name) for name in ("finding", "recipe", "unit", "epsilon", "attribute", "reference")}
        return {**chosen, "metric": self.measured}

    def rows(self, table: pd.DataFrame) -> pd.DataFrame:
        """The rows of `table` that were chosen, at every budget and without privacy; what the table has no column for leaves all rows."""
        kept = pd.Series(True, index=table.index)
        for name in ("finding", "recipe", "unit"):
            wanted = getattr(self, name)
            if wanted is not None and name in table.columns:
                kept &= table[name] == wanted
        # Subgroups are shown beside all patients.
        if self.attribute is not None and "attribute" in table.columns:
            kept &= table["attribute"].isin([self.attribute, EVERYBODY])
        return table[kept]

    def all_findings(self) -> "Choice":
        """The same choice over every finding."""
        return replace(self, finding=None)
