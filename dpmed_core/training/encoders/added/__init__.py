"""Encoders that a user adds: their cards, where they are stored, how a file of weights becomes one, and their features."""
