"""The parts of the page *Privacy*: what a guarantee means, how exposed the training patients are, and what may leave the house of it."""
