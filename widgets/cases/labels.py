"""The values of the worklist in words for clinicians."""

from dpmed_core.evaluation.cases.case_scores import NEGATIVE, NO_ANSWER, POSITIVE, SPLIT
from dpmed_core.evaluation.cases.worklist import ABSENT, AGREE, DIFFER, PRESENT, UNKNOWN

TRUTH_TITLES = {PRESENT: "Present", ABSENT: "Absent", UNKNOWN: "Unknown"}
ANSWER_TITLES = {POSITIVE: "Positive", NEGATIVE: "Negative", SPLIT: "Models split evenly", NO_ANSWER: "No answer"}
AGREEMENT_TITLES = {DIFFER: "Answers differ", AGREE: "Answers agree", UNKNOWN: "Not comparable"}
