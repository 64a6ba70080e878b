"""The name of the mean over findings, where findings are named."""

MACRO = "macro"
"""The unweighted mean over the findings that are estimable."""
