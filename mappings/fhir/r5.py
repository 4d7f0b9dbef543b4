"""FHIR R5 (5.0.0) of what is served as R4: a function from one type's JSON to the other's, made when it is asked for.

References to types that R5 is not served of name them where they are, under R4.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

Json = dict[str, Any]


def as_r5(served: bytes, base: str) -> bytes:
    """The R5 JSON of a resource, or of a Bundle of them, that the server at public address `base` serves as R4."""
    told = msgspec.json.decode(served)
    if told["resourceType"] == "Bundle":
        return msgspec.json.encode(_bundle(told, base))
    return msgspec.json.encode(_resource(told, base))


def _bundle(told: Json, base: str) -> Json:
    """Links and addresses lead to R5; outcomes are the same in both."""
    links = [link | {"url": _moved(link["url"], base)} for link in told["link"]]
    entries = [_entry(entry, base) for entry in told.get("entry", ())]
    return told | {"link": links} | ({"entry": entries} if entries else {})


def _entry(entry: Json, base: str) -> Json:
    if entry["resource"]["resourceType"] not in AS_R5:
        return entry
    return entry | {"fullUrl": _moved(entry["fullUrl"], base), "resource": _resource(entry["resource"], base)}


def _moved(url: str, base: str) -> str:
    return url.replace(f"{base}/fhir/R4/", f"{base}/fhir/R5/", 1)


def _resource(told: Json, base: str) -> Json:
    made: Json = _led(AS_R5[told["resourceType"]](told), base)
    return made


def _led(value: Any, base: str) -> Any:
    """The same with its references led to where they are served."""
    if isinstance(value, list):
        return [_led(part, base) for part in value]
    if not isinstance(value, dict):
        return value
    told = {name: _led(part, base) for name, part in value.items()}
    said = told.get("reference")
    if isinstance(said, str) and "://" not in said and said.partition("/")[0] not in AS_R5:
        told["reference"] = f"{base}/fhir/R4/{said}"
    return told


def _with(told: Json, changed: Mapping[str, Callable[[Any], Json]]) -> Json:
    """The same with some members become others."""
    made: Json = {}
    for name, value in told.items():
        made |= changed[name](value) if name in changed else {name: value}
    return made


def _concept(coding: Json) -> Json:
    """A CodeableConcept of a Coding; one that only says why it is absent says so."""
    return {"coding": [coding]} if "code" in coding or "display" in coding else coding


def _drop(_value: Any) -> Json:
    return {}


def _imaging_study(told: Json) -> Json:
    return _with(
        told,
        {
            "modality": lambda codes: {"modality": [_concept(code) for code in codes]},
            "procedureCode": lambda codes: {"procedure": [{"concept": code} for code in codes]},
            "series": lambda each: {"series": [_series(one) for one in each]},
        },
    )


def _series(told: Json) -> Json:
    return _with(
        told,
        {
            "modality": lambda code: {"modality": _concept(code)},
            "bodySite": lambda code: {"bodySite": {"concept": _concept(code)}},
            "laterality": lambda code: {"laterality": _concept(code)},
        },
    )


_DRAFTS = {"proposed": "draft"}
"""R5 has no agreement that is proposed: it is not in force."""


def _consent(told: Json) -> Json:
    """Who agrees is the grantor; the repository keeps the consent and holds to it. R5 says the root's type as its decision."""
    return _with(
        told,
        {
            "status": lambda status: {"status": _DRAFTS.get(status, status)},
            "scope": _drop,
            "dateTime": lambda at: {"date": at[:10]},
            "performer": lambda who: {"grantor": who},
            "organization": lambda who: {"manager": who, "controller": who},
            "sourceAttachment": lambda one: {"sourceAttachment": [one]},
            "policy": lambda policies: {"policyBasis": {"url": policies[0]["uri"]}},
            "provision": _provisions,
        },
    )


def _provisions(root: Json) -> Json:
    inner = [{name: value for name, value in one.items() if name != "type"} for one in root.get("provision", ())]
    return {"decision": root["type"]} | ({"provision": inner} if inner else {})


AS_R5: Mapping[str, Callable[[Json], Json]] = {
    "ImagingStudy": _imaging_study,
    "Consent": _consent,
    "Provenance": dict,  # what we say in it is the same in both
}
"""Type → how its R4 JSON becomes R5's."""
