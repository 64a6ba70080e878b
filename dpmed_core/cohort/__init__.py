"""Cohorts: reading images and their table, de-identifying, storing, splitting by patient."""
