"""Reader study: a reader answers before labels and scores are shown; reader, private and non-private models are then compared."""
