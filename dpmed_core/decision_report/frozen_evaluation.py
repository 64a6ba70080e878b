"""The tables of a review as they were frozen, for the figures and sentences that pages make from theirs."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from dpmed_core.cohort.schema import Cohort
from dpmed_core.evaluation.metrics.auroc import AUROC
from dpmed_core.evaluation.scores.load_scores import Scores
from dpmed_core.evaluation.scores.scored_runs import RUN_COLUMNS
from dpmed_core.evaluation.tables.all_tables import EvaluationTables, MetricTables
from dpmed_core.imaging.modality import Modality
from dpmed_core.review.frozen_tables import OF_ALL, OF_AUROC, from_fields


class FrozenEvaluation(EvaluationTables):
    """Tables whose rows are those that were frozen; nothing is read and nothing computed again."""

    def __init__(self, frozen: Mapping[str, Any], rows: Mapping[str, Any]) -> None:
        """The tables of AUROC and of everything else that was frozen.

        Args:
            frozen: what is reviewed (`review.frozen`).
            rows: of its tables, by name (`review.frozen_tables`).
        """
        plan = frozen["plan"]["fields"]
        super().__init__(_unread, plan["attributes"], margin=plan["margin"], findings=plan["findings"])
        of_auroc = MetricTables(AUROC, (), self.by, self.margin)
        # Each is a cached property, which is not computed where its value stands already.
        vars(of_auroc).update({name: from_fields(rows[name]) for name in OF_AUROC})
        vars(self).update({name: from_fields(rows[name]) for name in OF_ALL})
        runs = of_auroc.utility[list(RUN_COLUMNS)].drop_duplicates("run_id").reset_index(drop=True)
        vars(self).update({"runs": runs, "damaged": [], "left_out": dict(frozen["left_out"]), "superseded": [], "deltas": ()})
        self._of[AUROC.name] = of_auroc


def _unread() -> Scores:
    raise LookupError("a report reads no scores: its tables were frozen")


def frozen_cohort(frozen: Mapping[str, Any]) -> Cohort:
    """What figures and sentences must know of the cohort that was reviewed, whatever became of it; without cases and images."""
    about = frozen["cohort"]
    return Cohort(
        name=about["name"],
        modality=Modality(about["modality"]),
        synthetic=about["synthetic"],
        findings=tuple(about["findings"]),
        comorbidities=tuple(about["comorbidities"]),
        cases=pd.DataFrame(),
        images=np.zeros((0, 1, 1), dtype=np.uint8),
        fingerprint=frozen["fingerprint"],
        patients_known=about["patients_known"],
        source=about["source"],
    )
