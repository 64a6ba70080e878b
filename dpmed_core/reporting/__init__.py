"""Reporting: figures, the sentences beside them, the catalogue of what can be shown, and files of all of it."""
