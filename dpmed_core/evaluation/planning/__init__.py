"""What a cohort can tell before anything is spent on its patients: from held-out labels, public counts and published priors."""
