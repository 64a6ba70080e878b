"""The synthetic demo cohorts, written as DICOM and read back by the importer."""
