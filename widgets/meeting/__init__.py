"""Parts of the page Meeting: the view of a presenter, the map with verdicts and the way to its evidence, spending and protection."""
