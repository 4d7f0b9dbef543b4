"""Every FHIR type that is served: a row each, from which routes, the CapabilityStatement, parsing and reading come.

A row names its source, which `server.usecases.sources` binds, and the writer of what the source gives.
"""

from mappings.fhir.audit_parameters import audit_parameters
from mappings.fhir.described_resources import DESCRIPTIONS
from mappings.fhir.image_resources import IMAGES
from mappings.fhir.parameters import (
    string,
    uri,
)
from mappings.fhir.resource_row import Resource, canonical, numbered, resource

_URL = uri("url", "Its address.", "url")
_DATA = (*IMAGES, *DESCRIPTIONS)
_AUDITED = (*(row.name for row in _DATA), "AuditEvent")
_ROWS = (
    *_DATA,
    canonical("CodeSystem", "A code system of Accord's own.", _URL, mandatory="content"),
    canonical("ValueSet", "The codes of Accord's own that an element takes.", _URL),
    canonical("ConceptMap", "Which codes of the standards stand for Accord's own, or are wider.", _URL),
    canonical("StructureDefinition", "An extension of Accord's own.", _URL, mandatory="url name kind abstract type"),
    canonical(
        "NamingSystem",
        "A system of identifiers of Accord's own.",
        string("value", "The start of the identifier system.", "url"),
        mandatory="name kind date uniqueId",
    ),
    resource(
        "AuditEvent",
        "An answered request: who asked, what it was, and what it showed.",
        "accesses",
        None,
        (numbered("access"), "The answered request."),
        *audit_parameters(_AUDITED),
        summary="type subtype action recorded outcome outcomeDesc purposeOfEvent",
        mandatory="type recorded agent source",
        is_harvested=False,  # to tell of it adds to it
    ),
)
RESOURCES: dict[str, Resource] = {row.name: row for row in _ROWS}


def served_in(version: str) -> tuple[Resource, ...]:
    """The types that are served in a version of FHIR."""
    return tuple(row for row in RESOURCES.values() if version in row.versions)
