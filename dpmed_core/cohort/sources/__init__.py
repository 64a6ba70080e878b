"""Adapters: each reads one published or local layout into rows for the importer."""
