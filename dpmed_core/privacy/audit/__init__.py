"""Does the mechanism keep its word? Many trainings with and without a worst-case patient, against the claimed guarantee."""
