"""From stored scores to arrays: panels, subgroups, sample sizes, operating points."""
