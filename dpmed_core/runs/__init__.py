"""Runs: what was asked for, what came of it, and what was spent."""
