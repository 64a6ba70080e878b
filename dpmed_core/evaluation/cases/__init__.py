"""The models' scores and answers for single cases, and the worklist made from them."""
