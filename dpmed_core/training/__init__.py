"""Training: what a run is, and how private and non-private models are fitted."""
