"""The synthetic demo cohorts, written and read back as DICOM."""
