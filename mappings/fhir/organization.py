"""An organisation as a FHIR R4 Organization: a party of the repository, or the repository itself."""

from consent.party import Party
from mappings.fhir.serial import document, instant
from mappings.fhir.systems import fhir_id


def organization(party: Party, base: str) -> bytes:
    """The Organization's JSON; `base` is the server's public address."""
    body: dict[str, object] = {
        "meta": {"lastUpdated": instant(party.updated)} if party.updated else None,
        "identifier": [{"system": f"{base}/organizations", "value": party.key}],
        "type": [{"text": party.role}],
        "name": party.name,
        "telecom": [{"system": "email", "value": party.contact}] if party.contact else [],
    }
    return document("Organization", fhir_id(party.key), body)
