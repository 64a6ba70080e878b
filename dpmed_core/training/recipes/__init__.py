"""Recipes: how a model is trained, by name; the networks and the linear probe."""
