"""Adapters: each reads the layout of one published data set, or a local one, into rows for the importer."""
