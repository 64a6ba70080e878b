"""DICOM: headers, pixels, and what a radiograph looks like on a screen."""
