"""What a FHIR caller accepts (R4 3.1.0.1.11): JSON of version 4.0 is what there is, under the names that clients know it by."""

from functools import partial

from mappings.negotiation import MediaType, choose, covers

FHIR_JSON = "application/fhir+json"
_OTHER_NAMES = ("application/json", "application/json+fhir", "text/json")
_SHORT = "json"


def check_accept(accept: str, asked: str | None) -> None:
    """Raises NotAcceptable unless our JSON will do. `_format` (`asked`) outranks the Accept header."""
    kind, semicolon, parameters = (asked or accept).partition(";")
    text = f"{FHIR_JSON if kind.strip().lower() == _SHORT else kind}{semicolon}{parameters}"
    choose(text, _OFFERS, f"This server answers {FHIR_JSON} (FHIR 4.0) only.", "_format" if asked else "Accept")


def _fit(offer: str, media: MediaType) -> int:
    """Wildcards mean the one name that we answer under; `fhirVersion` is that of R4 wherever it is said."""
    version = media.get("fhirversion")
    named = offer in (FHIR_JSON, media.name)
    return covers(offer, media) if named and (version is None or "4.0" in version) else 0


_OFFERS = {offer: partial(_fit, offer) for offer in (FHIR_JSON, *_OTHER_NAMES)}
