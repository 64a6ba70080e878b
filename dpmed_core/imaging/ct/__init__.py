"""CT: a folder of slices, a multi-frame file, NIfTI or MetaImage becomes one volume of Hounsfield units on the stored grid."""
