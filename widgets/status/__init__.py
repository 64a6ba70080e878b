"""The parts of the page *Status*."""
