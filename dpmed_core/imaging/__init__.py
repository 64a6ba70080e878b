"""Reading images: DICOM, PNG and JPEG, CT, and the form in which they are stored."""
