"""What a study that is over shows: its complete readers compared across its arms."""

from dataclasses import dataclass

import pandas as pd

from dpmed_core.reader_study.arm_study.study import ArmStudy
from dpmed_core.reader_study.multi_reader.comparison import Comparison, compare
from dpmed_core.reader_study.multi_reader.ratings import Ratings, ratings_of


@dataclass(frozen=True, eq=False)
class StudyResults:
    """The analysis of a study that is over.

    Attributes:
        ratings: those of the readers who read everything; None where nobody did.
        comparison: of the arms by these ratings.
        incomplete: readers who are left out, because they did not read everything.
    """

    ratings: Ratings | None
    comparison: Comparison | None
    incomplete: tuple[str, ...]


def study_results(study: ArmStudy, table: pd.DataFrame) -> StudyResults:
    """The arms compared, by readers who read every case in every arm: the analysis takes no other ratings.

    Args:
        study: the study.
        table: `ArmStudyStore.ratings`.
    """
    n_given = table["reader"].value_counts()
    complete = [reader for reader in study.readers if n_given.get(reader, 0) == study.n_sessions * len(study.cases)]
    incomplete = tuple(reader for reader in study.readers if reader not in complete)
    if not complete:
        return StudyResults(None, None, incomplete)
    ratings = ratings_of(table[table["reader"].isin(complete)])
    return StudyResults(ratings, compare(ratings), incomplete)
