"""Validation of a cohort that is about to be stored: duplicates, unusable images, labels that cannot be learnt or may be wrong."""
