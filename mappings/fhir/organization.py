"""An organisation as a FHIR R4 Organization: a party of the repository, or the repository itself."""

from consent.party import REPOSITORY, Party
from mappings.fhir.serial import document, instant
from mappings.fhir.systems import fhir_id


def organization(party: Party, base: str, contact: str) -> bytes:
    """The Organization's JSON; `contact` is the repository's e-mail address."""
    body: dict[str, object] = {
        "meta": {"lastUpdated": instant(party.updated)} if party.updated else None,
        "identifier": [{"system": f"{base}/organizations", "value": party.key}],
        "type": [{"text": party.role}],
        "name": party.name,
        "telecom": [{"system": "email", "value": contact}] if party.key == REPOSITORY and contact else [],
    }
    return document("Organization", fhir_id(party.key), body)
