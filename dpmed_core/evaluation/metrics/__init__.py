"""Metrics: each a value with its name, range, chance level and direction, and its estimate by subgroup with influence by patient."""
