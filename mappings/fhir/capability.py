"""The CapabilityStatement (R4), made from the table the parser reads: what stands in it is what is served."""

import msgspec

from consent.policy import NEVER_FOR_DIAGNOSIS
from mappings.fhir.accept import FHIR_JSON, FHIR_XML
from mappings.fhir.resource_row import R4, R5, Resource
from mappings.fhir.resources import RESOURCES, served_in
from mappings.fhir.serial import told

_RELEASES = {R4: ("4.0.1", "R4", [FHIR_JSON, FHIR_XML, "json", "xml"]), R5: ("5.0.0", "R5", [FHIR_JSON, "json"])}
"""Version of FHIR → its release, where it is served, and in what."""
PUBLISHED = "2026-11-22"
_BULK = "http://hl7.org/fhir/uv/bulkdata"
_OPERATIONS = {
    "Patient": ("export", f"{_BULK}/OperationDefinition/patient-export"),
    "Group": ("export", f"{_BULK}/OperationDefinition/group-export"),
    "ConceptMap": ("translate", "http://hl7.org/fhir/OperationDefinition/ConceptMap-translate"),
}
"""Type → an operation on it, and its definition."""
_WHOLE = {
    "interaction": [{"code": "history-system"}],
    "operation": [{"name": "export", "definition": f"{_BULK}/OperationDefinition/export"}],
}
"""What is asked of the whole system (R4)."""
_SECURITY = "http://terminology.hl7.org/CodeSystem/restful-security-service"
_DOCUMENTATION = (
    f"{NEVER_FOR_DIAGNOSIS} Every answer is narrowed to what the data sharing agreements let the caller see: totals and "
    "pages count nothing else. Date parameters take eq ne gt lt ge le sa eb ap; dates without a zone are UTC. Chains and _has go "
    "over two references at most; _sort, _summary, _elements and _total are read everywhere. Unknown parameters are refused "
    "unless `Prefer: handling=lenient`. Follow `next` links as they are."
)


def capability(base: str, repository: str, version: str, fhir: str = R4) -> bytes:
    """The CapabilityStatement's JSON of the server at public address `base`, run by `repository`, software `version`."""
    release, place, formats = _RELEASES[fhir]
    statement: dict[str, object] = {
        "resourceType": "CapabilityStatement",
        "url": f"{base}/fhir/{place}/metadata",
        "version": version,
        "status": "active",
        "date": PUBLISHED,
        "publisher": repository,
        "description": NEVER_FOR_DIAGNOSIS,
        "kind": "instance",
        **({"instantiates": [f"{_BULK}/CapabilityStatement/bulk-data"]} if fhir == R4 else {}),
        "software": {"name": "Accord", "version": version},
        "implementation": {"description": repository, "url": f"{base}/fhir/{place}"},
        "fhirVersion": release,
        "format": formats,
        "rest": [
            {
                "mode": "server",
                "documentation": _DOCUMENTATION,
                "security": _security(),
                "resource": [_resource(row) if fhir == R4 else _read_only(row) for row in served_in(fhir)],
                **(_WHOLE if fhir == R4 else {}),
            }
        ],
    }
    return msgspec.json.encode(statement)


def _security() -> dict[str, object]:
    service = {"coding": [{"system": _SECURITY, "code": "SMART-on-FHIR"}], "text": "OAuth 2 client credentials, private_key_jwt"}
    return {"service": [service]}


_HISTORIES = ("history-instance", "history-type")


def _histories(row: Resource) -> tuple[str, ...]:
    kept = ("vread",) if row.name == "Consent" else ()
    return (*kept, *(_HISTORIES if row.is_harvested else ()))


def _resource(row: Resource) -> dict[str, object]:
    return told(
        type=row.name,
        documentation=row.text,
        interaction=[{"code": code} for code in ("read", "search-type", *_histories(row))],
        conditionalRead="full-support",
        referencePolicy=["literal"],
        searchInclude=[f"{row.name}:{name}" for name in row.references],
        searchRevInclude=[f"{other}:{name}" for other, name in _pointing(row.name)],
        searchParam=[{"name": p.name, "type": p.type, "documentation": p.text} for p in row.parameters.values()],
        operation=[dict(zip(("name", "definition"), _OPERATIONS[row.name], strict=True))] if row.name in _OPERATIONS else None,
    )


def _read_only(row: Resource) -> dict[str, object]:
    """What there is of it under R5."""
    whole = _resource(row)
    said = {name: whole[name] for name in ("type", "documentation", "conditionalRead", "referencePolicy", "searchParam")}
    return said | {"interaction": [{"code": "read"}, {"code": "search-type"}]}


def _pointing(kind: str) -> list[tuple[str, str]]:
    """The types and their parameters that refer to this type."""
    return [(row.name, name) for row in RESOURCES.values() for name, p in row.references.items() if kind in p.targets]
