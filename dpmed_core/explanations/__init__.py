"""Explanations of a score: explanation maps and their sanity check, similar cases, and the out-of-distribution distance of an image."""
