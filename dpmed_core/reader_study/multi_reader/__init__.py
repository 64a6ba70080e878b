"""Several readers on the same cases in several arms: ratings, multi-reader multi-case analysis, the plan of the sessions, export."""
