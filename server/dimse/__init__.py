"""The DICOM network door."""
