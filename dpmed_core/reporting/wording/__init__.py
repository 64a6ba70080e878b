"""Sentences that say what a table or a figure shows."""
