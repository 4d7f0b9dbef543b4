"""What a receiver must know of any data here (R4 6.1.1, meta.security): it is about people under pseudonyms, and stays so.

Confidentiality is L (low) by that code's own definition: pseudonymised information whose receiver keeps to a data use agreement.
It says nothing of who may have it; that is the agreement's word, the Consent.
"""

from mappings.fhir.systems import coding

_V3 = "http://terminology.hl7.org/CodeSystem/v3-"
LABELS = (
    coding(f"{_V3}Confidentiality", "L"),
    coding(f"{_V3}ObservationValue", "PSEUDED"),
    coding(f"{_V3}ActCode", "NORELINK"),
)
"""Of every document about patients: confidentiality, what was done to it, and what must not be done with it."""
