"""What is wrong with a cohort before it misleads anyone: a report for the data's owner."""
