"""Public starts: heads and networks that were trained on public, labelled cohorts, from which private ones begin."""
