"""Procedural abdominal CT in Hounsfield units: synthetic patients, their anatomy and pancreas, and their scans; needs numpy alone."""
