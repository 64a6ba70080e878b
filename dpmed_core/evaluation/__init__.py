"""Evaluation: from the scores of held-out cases to tables with intervals."""
