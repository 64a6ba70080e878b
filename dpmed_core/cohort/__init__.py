"""Cohorts: importing images with their table, de-identification, validation, storage, and the split by patient."""
