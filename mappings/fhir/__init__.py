"""FHIR R4 as a dialect: a file per resource or concern."""
