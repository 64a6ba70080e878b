"""Patients who come back: whether a model that was trained on a patient's earlier images answers differently on the later ones."""
