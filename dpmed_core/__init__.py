"""DPMed: what differential privacy costs diagnostic models, on a group's own images."""
