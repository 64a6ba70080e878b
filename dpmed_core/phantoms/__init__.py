"""Synthetic patients and their images, for demos and for pretraining."""
