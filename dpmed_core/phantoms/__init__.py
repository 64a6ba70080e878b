"""Synthetic patients and their images, for the demo cohorts and for pretraining the public encoders."""
