"""Procedural chest films: a synthetic population, its anatomy, and the film that it casts; numpy and scipy alone."""
