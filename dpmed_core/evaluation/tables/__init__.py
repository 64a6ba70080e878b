"""Tables with documented columns, each computed from panels of scores."""
