"""DICOM: headers, pixels, and how a radiograph is displayed."""
