"""Runs: what was asked, what happened to it, and the engine that works it off."""
