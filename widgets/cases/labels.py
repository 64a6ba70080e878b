"""The values of the worklist in a clinician's words."""

from dpmed_core.evaluation.cases.case_scores import NEGATIVE, NO_ANSWER, POSITIVE, SPLIT
from dpmed_core.evaluation.cases.worklist import ABSENT, AGREE, DIFFER, PRESENT, UNKNOWN

TRUTH_TITLES = {PRESENT: "Present", ABSENT: "Absent", UNKNOWN: "Not known"}
ANSWER_TITLES = {POSITIVE: "Positive", NEGATIVE: "Negative", SPLIT: "Trainings split evenly", NO_ANSWER: "No answer"}
AGREEMENT_TITLES = {DIFFER: "Answers differ", AGREE: "Answers agree", UNKNOWN: "Cannot be compared"}
