"""Taking images in: which rows are read, by whom, and what of it survives an interruption."""
