"""Procedural chest radiographs: a synthetic population, its anatomy, and the radiograph that it casts; numpy and scipy alone."""
