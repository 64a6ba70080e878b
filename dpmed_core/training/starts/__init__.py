"""Public starts: heads that were trained on public, labelled cohorts, from which private heads begin."""
