"""Procedural abdomens in Hounsfield units: synthetic patients, their anatomy, their pancreas and the scan that shows it; numpy alone."""
