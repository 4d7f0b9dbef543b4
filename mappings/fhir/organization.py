"""An organisation as a FHIR R4 Organization: a party of the repository, or the repository itself."""

from consent.party import Party
from mappings.fhir.serial import document, instant
from mappings.fhir.systems import ORGANIZATION_TYPE, PARTY_ROLE, coding, fhir_id

_STANDARD = {"provider": ("prov", "Healthcare Provider")}
"""Role → organization-type, where that has it."""


def organization(party: Party, base: str) -> bytes:
    """The Organization's JSON; `base` is the server's public address. It is active while the repository approves of it."""
    also = [coding(ORGANIZATION_TYPE, *_STANDARD[party.role])] if party.role in _STANDARD else []
    body: dict[str, object] = {
        "meta": {"lastUpdated": instant(party.updated)} if party.updated else None,
        "identifier": [{"system": f"{base}/organizations", "value": party.key}],
        "active": party.approved,
        "type": [{"coding": [coding(PARTY_ROLE, party.role), *also], "text": party.role}],
        "name": party.name,
        "telecom": [{"system": "email", "value": party.contact}] if party.contact else [],
    }
    return document("Organization", fhir_id(party.key), body)
