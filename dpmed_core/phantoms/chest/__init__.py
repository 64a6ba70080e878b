"""Procedural chest radiographs: a synthetic population, its anatomy and its radiographs; needs numpy and scipy alone."""
