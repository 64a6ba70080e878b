"""CT volumes: from a folder of slices, a multi-frame file, NIfTI or MetaImage to one grid of Hounsfield units in patient order."""
