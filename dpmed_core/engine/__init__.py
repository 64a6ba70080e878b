"""The engine: the process that schedules training and inference, its cluster, and what its workers do."""
