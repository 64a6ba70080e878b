"""The importer: which rows are read, by which processes, and the journal that survives an interruption."""
