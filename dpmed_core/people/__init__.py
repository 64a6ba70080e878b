"""People who sign on: their roles, what a role may see and do, and the trail of who did."""
