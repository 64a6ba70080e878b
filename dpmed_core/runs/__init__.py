"""Training runs: planning them, storing them, and the privacy loss that they add up to."""
