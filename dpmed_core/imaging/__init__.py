"""Images: DICOM, pictures, CT, and the form in which they are stored."""
