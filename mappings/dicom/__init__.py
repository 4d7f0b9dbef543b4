"""DICOM as a dialect: Part 10 bytes in, headers, findings, fragments and pictures out."""
